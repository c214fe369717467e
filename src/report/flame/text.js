// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
// Numbers and names as people read them.

const countFormat = new Intl.NumberFormat("en");
const formatCount = count => countFormat.format(count);

// Never "100" when something is missing, never "0" when something is there.
function formatPercent(part, whole) {
  if (!part || !whole)
    return "0 %";
  const percent = part / whole * 100;
  if (part === whole)
    return "100 %";
  if (percent < 0.005)
    return "<0.01 %";
  if (percent > 99.995)
    return ">99.99 %";
  return `${percent.toFixed(percent < 10 || percent >= 99 ? 2 : 1)} %`;
}

const plural = (count, one, many) => `${formatCount(count)} ${count === 1 ? one : many}`;

// Template arguments and parameters, nested as they may be, and nothing else.
function withoutBrackets(name) {
  let depth = 0, short = "";
  for (let i = 0; i < name.length; i++) {
    const c = name[i];
    if ((c === "<" || c === "(") && i > 0 && !/operator[<(-]*$/.test(name.slice(Math.max(0, i - 10), i)))
      depth++;
    if (!depth)
      short += c;
    if ((c === ">" || c === ")") && depth && name[i - 1] !== "-")
      depth--;
  }
  return depth ? name : short.trim();
}

// A long name without namespaces, template arguments and parameters: what fits a narrow frame.
function shortName(name) {
  if (name.length < 12 || name.startsWith("[") || !/[<(:]/.test(name))
    return name;
  const short = withoutBrackets(name.replace(/\(anonymous namespace\)::/g, ""));
  const at = short.lastIndexOf("::");
  return (at < 0 ? short : short.slice(at + 2)) || name;
}

// What tells kinds apart without colour: kernel and JIT frames end in a letter.
const KIND_MARKS = ["", " [k]", " [j]", " [v]", "", ""];

// Build an element: h("b", {class: "x"}, "text", child, …). Text is text, never HTML.
function h(tag, attributes, ...content) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {}))
    element.setAttribute(name, value);
  element.append(...content);
  return element;
}
