# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Bars with ranges as one SVG picture that needs nothing else, in light and dark."""

from html import escape

WIDTH, LABELS, ROW, GAP, MARGIN = 860, 250, 22, 46, 16
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #222 } .title { font-weight: 600 } .unit { fill: #666 }
.bar { fill: #9db4cc } .ours { fill: #d8722f } .range { stroke: #222; stroke-width: 1.5 }
.back { fill: #fff } .axis { stroke: #bbb }
@media (prefers-color-scheme: dark) {
text { fill: #ddd } .unit { fill: #999 } .bar { fill: #56708c } .range { stroke: #ddd } .back { fill: #16181c }
.axis { stroke: #444 } }
"""


def one(plot, top):
    scale = (WIDTH - LABELS - 110) / max(max(high for *_, high in plot.bars), 1e-9)
    lines = [f'<text x="{MARGIN}" y="{top}"><tspan class="title">{escape(plot.title)}</tspan> '
             f'<tspan class="unit">· {escape(plot.unit)}: median, least and most</tspan></text>']
    y = top + 10
    lines.append(f'<line class="axis" x1="{LABELS}" x2="{LABELS}" y1="{y}" y2="{y + ROW * len(plot.bars)}"/>')
    for label, _, middle, low, high in plot.bars:
        kind = "bar ours" if label.startswith("homeward") else "bar"
        at = LABELS + max(high, 0) * scale + 8
        centre = y + ROW / 2
        lines += [
            f'<text x="{MARGIN}" y="{centre + 4}">{escape(label)}</text>',
            f'<rect class="{kind}" x="{LABELS}" y="{y + 3}" width="{max(middle, 0) * scale:.1f}" height="{ROW - 6}"/>',
            f'<line class="range" x1="{LABELS + max(low, 0) * scale:.1f}" x2="{LABELS + max(high, 0) * scale:.1f}" '
            f'y1="{centre}" y2="{centre}"/>',
            f'<text x="{at:.1f}" y="{centre + 4}">{middle:.1f}</text>',
        ]
        y += ROW
    return lines, y + GAP


def draw(plots):
    body, y = [], 34
    for plot in plots:
        lines, y = one(plot, y)
        body += lines
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y - GAP + MARGIN}" role="img" '
        'aria-label="Cost of a sample by recorder">',
        f"<style>{STYLE}</style>", f'<rect class="back" width="{WIDTH}" height="{y}"/>', *body, "</svg>"]) + "\n"
