import pytest

from outcrop.engines.templating import Helper, Template, TemplateError

ITEMS = [{"name": "x", "price": 1}, {"name": "y", "price": 2.5}]


def render(text, keep_unknown=True, **variables):
    return Template(text, keep_unknown=keep_unknown).render(variables)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain $ text # with $1.00 and 100%", "plain $ text # with $1.00 and 100%"),
        ("a## gone\nb", "ab"),
        ("a#* gone\n *#b", "ab"),
        ("#[[ $raw #if ]]#", " $raw #if "),
        (r"\$user \#if", "$user #if"),
        ("#unknown #unknown($x)", "#unknown #unknown($x)"),
        ("#set($x = 5 % 3)$x", "2"),
        ("#set($x = 1 + 2 * 3 - -1)$x", "8"),
        ("#set($x = (1 + 2) * 3)$x", "9"),
        ("#set($x = 7 / 2)$x #set($y = 7.0 / 2)$y", "3 3.5"),
        ("#set($x = -7 / 2)$x#set($y = -7 % 2) $y", "-3 -1"),
        ("#set($x = 1 / 0)$!x.", "."),
        ('#set($x = "a" + 1)$x', "a1"),
        ("#set($x = 'no $y')$x", "no $y"),
        ('#set($y = 2)#set($x = "say ""$y""")$x', 'say "2"'),
        ("#set($l = [1, 'b', true])$l $l.size() $l[1] $l.get(0)", "[1, b, true] 3 b 1"),
        ("#set($m = {'a': 1, 'b': {'c': [2]}})$m $m.b.c[0] $m['a']", "{a=1, b={c=[2]}} 2 1"),
        ("#set($m = {})#set($m.a = 1)#set($m['b'] = 2)$m.a$m.b", "12"),
        ("#if(1 == 1.0 && 'a' != 'b' || false)yes#else no#end", "yes"),
        ("#if(!$x)none#end #if($x == $null)null#end", "none null"),
        ("#if(false)a#elseif(2 > 1)b#{else}c#{end}d", "bd"),
        ("#if(1 lt 2 and not false)y#end", "y"),
        ("#foreach($i in [3..1])$i#if($foreach.hasNext),#end#end", "3,2,1"),
        (
            "#foreach($i in ['a','b'])$foreach.index$foreach.count$velocityCount$i$foreach.last #end",
            "011afalse 122btrue ",
        ),
        ("#foreach($i in [1..9])#if($i > 2)#break#end$i#end.", "12."),
        ("a#stop b", "a"),
        ("#macro(twice $a)$a$a#end#twice('x')", "xx"),
        ("#define($d)<$y>#end#set($y = 1)$d#set($y = 2)$d", "<1><2>"),
        ("#set($t = '$x!')#set($x = 1)#evaluate($t)", "1!"),
    ],
)
def test_templates_as_velocity_renders_them(text, expected):
    assert render(text) == expected


def test_directives_take_the_end_of_their_line_with_them():
    text = "[\n#foreach($i in $items)\n  $i.name\n#end\n]"
    assert render(text, items=ITEMS) == "[\n  x\n  y\n]"


def test_unknown_references_stay_or_leave_nothing():
    assert render("$a.b ${c} $!d.") == "$a.b ${c} ."
    assert render("$a.b ${c} $!d.", keep_unknown=False) == "  ."


def test_javas_methods_of_strings_and_maps():
    text = "$s.toUpperCase() $s.substring(1, 3) $s.replaceAll('(l+)', '[$1]') $s.split('l')[0] $s.indexOf('l')"
    assert render(text, s="hello") == "HELLO el he[ll]o he 2"
    assert render("$m.keySet() $m.containsKey('a') $m.get('b') $m.entrySet()[0].key", m={"a": 1, "b": 2}) == (
        "[a, b] true 2 a"
    )
    assert render("$m.keySet().toArray()[1]", m={"a": 1, "b": 2}) == "b"


def test_helpers_show_what_they_name_and_nothing_else():
    helper = Helper({"twice": lambda text: text * 2}, {"body": "B"})
    assert render('$h.twice("a") $h.body $!h.__class__ $!h.functions', h=helper) == "aa B  "
    with pytest.raises(TemplateError, match="twice"):
        render("$h.twice()", h=helper)


@pytest.mark.parametrize(
    "text",
    [
        "#if(true)",
        "#foreach($x in $y)",
        "#set($x = )",
        "#set(x = 1)",
        "#if(",
        "#end",
        '#set($x = "a)',
        "#if(1 ==)x#end",
    ],
)
def test_what_cannot_be_read_says_where(text):
    with pytest.raises(TemplateError, match="Line 1"):
        Template(text)


@pytest.mark.parametrize(
    "text",
    [
        "#foreach($a in [1..999])#foreach($b in [1..999])$a#end#end",
        "#macro(m)#m()#end#m()",
        "#set($s = 'aaaaaaaaaaaaaaaa')#foreach($i in [1..40])#set($s = $s + $s)#end",
        "#set($n = 9999999999)#foreach($i in [1..40])#set($n = $n * $n)#end",
        "$s.replaceAll('(a+)+b', 'x')",
        "#set($l = [])#set($t = $l.add($l))$l",
    ],
)
def test_runaways_are_stopped(text):
    with pytest.raises(TemplateError):
        render(text, s="a" * 40)


@pytest.mark.parametrize("text", ["#if(true)" * 500, "#set($x = " + "(" * 5_000, "#set($x = " + "!" * 5_000])
def test_deep_nesting_is_refused(text):
    with pytest.raises(TemplateError):
        Template(text)


def test_a_loop_makes_at_most_a_thousand_rounds():
    assert render("#foreach($i in $l)x#end", l=[0] * 1_500) == "x" * 1_000
