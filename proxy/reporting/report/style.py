"""How a report looks: colours by name, and the style sheet of its page."""

LIGHT = {
    "page": "#ffffff", "band": "#f3f5f7", "ink": "#1f2328", "soft": "#57606a", "line": "#c9d1d9",
    "link": "#0b5cad", "good": "#1a6b35", "bad": "#a4161a", "bad-page": "#fdecea", "good-page": "#e9f5ec",
    "allowed": "#2f75a8", "exempt": "#a87400", "shadow": "#8159b5", "blocked": "#b3261e",
    "rejected": "#6e7781", "failed": "#24292f", "withheld": "#ffffff", "mark": "#1f2328",
}  # fmt: skip
DARK = {
    "page": "#0d1117", "band": "#161b22", "ink": "#e6edf3", "soft": "#a3adb8", "line": "#3d444d",
    "link": "#79b8ff", "good": "#6fd08c", "bad": "#ff9b93", "bad-page": "#3a1715", "good-page": "#12281a",
    "allowed": "#5aa5dc", "exempt": "#dca63a", "shadow": "#b292e2", "blocked": "#f0665d",
    "rejected": "#8d97a3", "failed": "#dfe5eb", "withheld": "#0d1117", "mark": "#e6edf3",
}  # fmt: skip
TEXTS = (
    ("ink", "page"), ("soft", "page"), ("link", "page"), ("ink", "band"), ("soft", "band"),
    ("bad", "bad-page"), ("ink", "bad-page"), ("good", "good-page"), ("ink", "good-page"), ("link", "band"),
)  # fmt: skip
"""Which colours letters have on which ground."""
PIECES = ("allowed", "exempt", "shadow", "blocked", "rejected", "failed")
_SAME = {
    "stopped": "rejected", "broken-off": "blocked", "closed": "allowed", "open": "allowed",
    "exempt-only": "exempt",
}  # fmt: skip


def charts(colours: dict[str, str]) -> str:
    """The style of charts, without variables: not every reader of SVG knows them."""
    ink = colours["ink"]
    rules = [
        f"svg text{{font:12px system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif;fill:{ink}}}",
        f"svg .over{{paint-order:stroke;stroke:{colours['page']};stroke-width:4px}}",
        f"svg .grid{{stroke:{colours['line']};stroke-width:1;fill:none}}",
        f"svg .mark{{stroke:{colours['mark']};stroke-width:1.2;fill:none}}",
        f"svg .piece{{stroke:{colours['page']};stroke-width:1}}",
    ]
    rules += [f"svg .k-{kind}{{fill:{colours[kind]}}}" for kind in PIECES]
    rules += [f"svg .k-{kind}{{fill:{colours[same]}}}" for kind, same in _SAME.items()]
    rules.append(f"svg .k-withheld{{fill:{colours['withheld']};stroke:{colours['mark']};stroke-width:1}}")
    return "\n".join(rules)


def _variables(colours: dict[str, str]) -> str:
    return ";".join(f"--{name}:{value}" for name, value in colours.items())


_PAGE = """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);
 font:16px/1.5 system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif}
header,main,footer{max-width:76rem;margin:0 auto;padding:0 1rem}
header{padding-top:2rem}
h1{font-size:1.75rem;line-height:1.2;margin:0 0 .25rem}
h2{font-size:1.3rem;line-height:1.3;margin:2.5rem 0 .5rem;padding-top:.75rem;border-top:1px solid var(--line)}
h3{font-size:1.05rem;margin:1.5rem 0 .25rem}
p,ul{max-width:44rem;margin:.5rem 0}
a{color:var(--link)}
:focus-visible{outline:3px solid var(--link);outline-offset:2px}
.skip{position:absolute;left:1rem;top:-4rem;background:var(--page);padding:.5rem 1rem}
.skip:focus{top:.5rem}
.soft{color:var(--soft)}
.digest{font-family:ui-monospace,"DejaVu Sans Mono",monospace;font-size:.85em;overflow-wrap:anywhere}
.state{border-left:.4rem solid;padding:.75rem 1rem;margin:1.25rem 0;max-width:none}
.state.bad{background:var(--bad-page);border-color:var(--bad)}
.state.good{background:var(--good-page);border-color:var(--good)}
.state p{margin:.25rem 0}
.state.bad strong{color:var(--bad)}
.state.good strong{color:var(--good)}
nav ul{display:flex;flex-wrap:wrap;gap:.1rem 1.25rem;list-style:none;padding:0;max-width:none}
nav a{display:inline-block;padding:.3rem 0}
.figures{display:grid;grid-template-columns:repeat(4,minmax(0,1fr));gap:.75rem;margin:1rem 0}
.figures div{background:var(--band);padding:.6rem .8rem}
.figures dt{color:var(--soft);font-size:.9rem}
.figures dd{margin:0;font-size:1.5rem;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.facts{display:grid;grid-template-columns:minmax(7rem,max-content) 1fr;gap:.2rem 1rem;margin:.75rem 0}
.facts dt{color:var(--soft)}
.facts dd{margin:0;overflow-wrap:anywhere}
.beside{display:grid;grid-template-columns:22.5rem minmax(0,1fr);gap:1.5rem;align-items:start}
.beside>*{min-width:0}
figure{margin:1rem 0}
figure svg{display:block;width:100%;height:auto}
figure.narrow{max-width:22.5rem}
figure.wide{max-width:60rem}
figcaption{font-size:.9rem;color:var(--soft)}
.key{display:flex;flex-wrap:wrap;gap:.2rem 1rem;list-style:none;padding:0;margin:.25rem 0;font-size:.9rem}
.key svg{display:inline-block;width:1.1rem;height:.8rem;margin-right:.35rem;vertical-align:-.05rem}
.scroll{overflow-x:auto;margin:.75rem 0}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
caption{text-align:left;font-weight:600;padding:.25rem 0}
th,td{padding:.3rem .6rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
thead th{border-bottom-width:2px;white-space:nowrap}
tbody th{font-weight:400}
.number{text-align:right;white-space:nowrap}
.when{white-space:nowrap}
.digest{display:inline-block;min-width:9.5rem}
.beside th,.beside td{padding:.3rem .45rem}
td.withheld{color:var(--soft);font-style:italic}
@media (max-width:60rem){.beside{grid-template-columns:minmax(0,1fr);gap:0}}
@media (max-width:40rem){
 tbody td:not(.number){min-width:8rem}
 .figures{grid-template-columns:repeat(2,minmax(0,1fr))}
 h1{font-size:1.45rem}
 header{padding-top:1.25rem}
 th,td{padding:.3rem .45rem}
 tbody th:first-child,thead th:first-child{position:sticky;left:0;background:var(--page)}
 figure.wide .pan{overflow-x:auto}
 figure.wide .pan svg{width:40rem}
}
@media print{
 .beside{display:block}
 @page{size:A4;margin:16mm 14mm}
 body{font-size:10pt}
 header,main,footer{max-width:none;padding:0}
 nav,.skip{display:none}
 h2{margin-top:1.5rem;break-after:avoid}
 h3,caption{break-after:avoid}
 figure,.state,dl,tr{break-inside:avoid}
 .scroll,.pan{overflow:visible}
 table{font-size:8.5pt}
 th,td{padding:.15rem .35rem;white-space:normal}
 thead{display:table-header-group}
 a{color:inherit;text-decoration:none}
 *{print-color-adjust:exact;-webkit-print-color-adjust:exact}
}
"""


def style() -> str:
    """All of it. Paper is always light."""
    return (
        f":root{{color-scheme:light dark;{_variables(LIGHT)}}}\n{charts(LIGHT)}\n"
        f"@media screen and (prefers-color-scheme:dark){{\n:root{{{_variables(DARK)}}}\n{charts(DARK)}\n}}"
        f"{_PAGE}"
    )
