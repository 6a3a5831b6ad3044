"""Runs templates, within limits: a template is input like any other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from types import MappingProxyType
from typing import Any

from outcrop.engines.templating.methods import call_method, compare, is_true, same, text_of
from outcrop.engines.templating.parser import parse
from outcrop.engines.templating.syntax import (
    Assign,
    Call,
    Choose,
    Define,
    Evaluate,
    Expression,
    Index,
    Leave,
    ListOf,
    Literal,
    Loop,
    Macro,
    MapOf,
    Node,
    Not,
    Operation,
    Property,
    Quoted,
    Range,
    Reference,
    TemplateError,
    Text,
    Use,
)

MAX_STEPS = 200_000
MAX_OUTPUT = 10 * 1024 * 1024
MAX_ROUNDS = 1_000
"""Iterations of one loop."""
MAX_CALLS = 20
"""Macros inside of macros."""


class Helper:
    """An object that templates may use: its functions and values, and nothing else of it."""

    def __init__(
        self, functions: Mapping[str, Callable[..., Any]], values: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        self.functions = functions
        self.values = values


class Template:
    """A template that has been read. Raises TemplateError for what can't be."""

    def __init__(self, text: str, *, keep_unknown: bool = True) -> None:
        self._nodes = parse(text)
        self._keep_unknown = keep_unknown
        """Whether a reference to nothing stays as it is written, or leaves nothing."""

    def render(self, variables: Mapping[str, Any]) -> str:
        """Raises TemplateError for what can't be run."""
        run = _Run(dict(variables), self._keep_unknown)
        try:
            run.all(self._nodes)
        except _Stop:
            pass
        except RecursionError:
            raise TemplateError("The template is nested too deep") from None
        return "".join(run.output)


class _Stop(Exception):
    pass


class _Break(Exception):
    pass


class _Block:
    """What `#define` made: rendered where it is used."""

    def __init__(self, nodes: tuple[Node, ...]) -> None:
        self.nodes = nodes


class _Run:
    def __init__(self, variables: MutableMapping[str, Any], keep_unknown: bool) -> None:
        self.output: list[str] = []
        self._variables = variables
        self._keep_unknown = keep_unknown
        self._macros: dict[str, Macro] = {}
        self._steps = 0
        self._size = 0
        self._calls = 0

    def all(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            self._steps += 1
            if self._steps > MAX_STEPS:
                raise TemplateError(f"The template takes more than {MAX_STEPS} steps")
            self._one(node)

    def _one(self, node: Node) -> None:
        match node:
            case Text(text):
                self._write(text)
            case Reference():
                self._show(node)
            case Assign(target, value):
                self._assign(target, self.value(value))
            case Choose(branches):
                for condition, body in branches:
                    if condition is None or is_true(self.value(condition)):
                        self.all(body)
                        return
            case Loop():
                self._loop(node)
            case Macro(name):
                self._macros[name] = node
            case Define(name, body):
                self._variables[name] = _Block(body)
            case Use():
                self._use(node)
            case Evaluate(text):
                self._nested(lambda: self.all(parse(text_of(self.value(text)))))
            case Leave(what):
                raise _Break if what == "break" else _Stop

    def _write(self, text: str) -> None:
        self._size += len(text)
        if self._size > MAX_OUTPUT:
            raise TemplateError(f"The template makes more than {MAX_OUTPUT} characters")
        self.output.append(text)

    def _show(self, reference: Reference) -> None:
        value = self._follow(reference)
        if isinstance(value, _Block):
            self._nested(lambda: self.all(value.nodes))
        elif value is not None:
            self._write(text_of(value))
        elif self._keep_unknown and not reference.quiet:
            self._write(reference.source)

    def _loop(self, loop: Loop) -> None:
        items = self.value(loop.items)
        if isinstance(items, Mapping):
            items = list(items.values())
        if not isinstance(items, list):
            return
        outer = {name: self._variables.get(name) for name in (loop.variable, "foreach", "velocityCount")}
        for index, item in enumerate(items[:MAX_ROUNDS]):
            has_next = index + 1 < len(items)
            state = {
                "index": index,
                "count": index + 1,
                "hasNext": has_next,
                "first": index == 0,
                "last": not has_next,
                "parent": outer["foreach"],
            }
            self._variables.update({loop.variable: item, "foreach": state, "velocityCount": index + 1})
            try:
                self.all(loop.body)
            except _Break:
                break
        self._variables.update(outer)

    def _use(self, use: Use) -> None:
        macro = self._macros.get(use.name)
        if macro is None:
            self._write(use.source)
            return
        given = [self.value(argument) for argument in use.arguments]
        outer = {name: self._variables.get(name) for name in macro.parameters}
        self._variables.update(dict.fromkeys(macro.parameters))
        self._variables.update(zip(macro.parameters, given, strict=False))
        self._nested(lambda: self.all(macro.body))
        self._variables.update(outer)

    def _nested(self, work: Callable[[], None]) -> None:
        self._calls += 1
        if self._calls > MAX_CALLS:
            raise TemplateError(f"Macros call each other more than {MAX_CALLS} deep")
        try:
            work()
        finally:
            self._calls -= 1

    def _assign(self, target: Reference, value: Any) -> None:
        if value is None:
            return
        if not target.steps:
            self._variables[target.name] = value
            return
        holder = self._follow(Reference(target.name, target.steps[:-1], True, target.source))
        match target.steps[-1]:
            case Property(name) if isinstance(holder, dict):
                holder[name] = value
            case Index(at):
                key = self.value(at)
                if isinstance(holder, dict):
                    holder[text_of(key)] = value
                elif isinstance(holder, list) and isinstance(key, int) and -len(holder) <= key < len(holder):
                    holder[key] = value

    def _follow(self, reference: Reference) -> Any:
        value = self._variables.get(reference.name)
        for step in reference.steps:
            if value is None:
                return None
            value = self._step(value, step)
        return value

    def _step(self, value: Any, step: Property | Call | Index) -> Any:
        match step:
            case Property(name):
                if isinstance(value, Helper):
                    return value.values.get(name)
                if isinstance(value, Mapping):
                    return value.get(name)
                return call_method(value, f"get{name[:1].upper()}{name[1:]}", ())
            case Call(name, arguments):
                given = [self.value(argument) for argument in arguments]
                if isinstance(value, Helper):
                    return self._help(value, name, given)
                return call_method(value, name, given)
            case Index(at):
                key = self.value(at)
                if isinstance(value, Mapping):
                    return value.get(key if key in value else text_of(key))
                if isinstance(value, list) and isinstance(key, int):
                    return value[key] if -len(value) <= key < len(value) else None
        return None

    def _help(self, helper: Helper, name: str, arguments: Sequence[Any]) -> Any:
        function = helper.functions.get(name)
        if function is None:
            return None
        try:
            return function(*arguments)
        except TemplateError:
            raise
        except (TypeError, ValueError, LookupError) as error:
            raise TemplateError(f"{name}(…) fails: {error}") from None

    def value(self, expression: Expression) -> Any:
        match expression:
            case Literal(value):
                return value
            case Reference():
                found = self._follow(expression)
                return self._rendered(found.nodes) if isinstance(found, _Block) else found
            case Quoted(nodes):
                return self._rendered(nodes)
            case ListOf(items):
                return [self.value(item) for item in items]
            case MapOf(items):
                return {text_of(self.value(key)): self.value(value) for key, value in items}
            case Range(first, last):
                return _range(self.value(first), self.value(last))
            case Not(operand):
                return not is_true(self.value(operand))
            case Operation("&&", left, right):
                return is_true(self.value(left)) and is_true(self.value(right))
            case Operation("||", left, right):
                return is_true(self.value(left)) or is_true(self.value(right))
            case Operation(operator, left, right):
                return _operate(operator, self.value(left), self.value(right))
        raise AssertionError("every expression has its case")

    def _rendered(self, nodes: tuple[Node, ...]) -> str:
        outer, self.output = self.output, []
        try:
            self._nested(lambda: self.all(nodes))
            return "".join(self.output)
        finally:
            self.output = outer


def _range(first: Any, last: Any) -> list[int] | None:
    if not isinstance(first, int) or not isinstance(last, int) or abs(last - first) > MAX_STEPS:
        return None
    return list(range(first, last + 1) if first <= last else range(first, last - 1, -1))


def _operate(operator: str, left: Any, right: Any) -> Any:
    if operator in ("==", "!="):
        return same(left, right) == (operator == "==")
    if operator in ("<", ">", "<=", ">="):
        return compare(operator, left, right)
    if operator == "+" and (isinstance(left, str) or isinstance(right, str)):
        joined = text_of(left) + text_of(right)
        if len(joined) > MAX_OUTPUT:
            raise TemplateError(f"A string has more than {MAX_OUTPUT} characters")
        return joined
    numbers = [x for x in (left, right) if isinstance(x, int | float) and not isinstance(x, bool)]
    if len(numbers) != 2:
        return None
    return _reckon(operator, numbers[0], numbers[1])


def _reckon(operator: str, left: float, right: float) -> float | None:
    """As Java does: whole numbers stay whole, and have 64 bits."""
    result: float
    match operator:
        case "+":
            result = left + right
        case "-":
            result = left - right
        case "*":
            result = left * right
        case _ if right == 0:
            return None
        case "/":
            whole = isinstance(left, int) and isinstance(right, int)
            result = _towards_zero(left, right) if whole else left / right
        case _:
            result = left - right * _towards_zero(left, right)
    if isinstance(result, int) and not -(2**63) <= result < 2**63:
        raise TemplateError("A number is too large")
    return result


def _towards_zero(left: float, right: float) -> int:
    quotient = int(abs(left) // abs(right))
    return quotient if (left < 0) == (right < 0) else -quotient
