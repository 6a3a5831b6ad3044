"""Velocity templates and JSONPath: text with holes in it, filled from plain values and a few named helpers."""

from outcrop.engines.templating.jsonpath import find_all, read_path
from outcrop.engines.templating.syntax import TemplateError
from outcrop.engines.templating.template import Helper, Template

__all__ = ["Helper", "Template", "TemplateError", "find_all", "read_path"]
