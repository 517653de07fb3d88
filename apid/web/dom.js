// SPDX-License-Identifier: Apache-2.0
// Elements. Strings become text nodes: nothing that anybody wrote is ever read as markup.

const SVG = "http://www.w3.org/2000/svg";
const SAFE_LINK = /^(?:[/#]|blob:|https?:|mailto:)/;

function setProperty(node, name, value) {
	if (value === false || value === null || value === undefined)
		return;
	if (typeof value === "function")
		node.addEventListener(name.replace(/^on/, ""), value);
	else if (name === "value" && /^(?:select|textarea)$/.test(node.localName))
		node.value = value;
	else if (/^on|^srcdoc$|^style$/.test(name) || (name === "href" && !SAFE_LINK.test(value)))
		throw new TypeError(`${name} must not be ${value}`);
	else
		node.setAttribute(name, value === true ? "" : String(value));
}

function isProps(value) {
	return value !== null && typeof value === "object" && !Array.isArray(value) &&
		!(value instanceof Node);
}

function nodes(children) {
	return children.flat(Infinity).filter(c => c !== null && c !== undefined && c !== false);
}

function build(node, props, children) {
	const has = isProps(props);

	node.append(...nodes(has ? children : [props, ...children]));
	for (const [name, value] of Object.entries(has ? props : {}))
		setProperty(node, name, value); // after the options of a select
	return node;
}

/**
 * h("a", {href: "#/", class: "x", onclick: f}, "text", node, [more], null): the properties may
 * be left out. null, undefined and false are left out, true is an attribute without value.
 */
export function h(tag, props = null, ...children) {
	return build(document.createElement(tag), props, children);
}

/** The same for the elements of a picture. */
export function svg(tag, props = null, ...children) {
	return build(document.createElementNS(SVG, tag), props, children);
}

/** These children in place of those it has. */
export function replace(node, ...children) {
	node.replaceChildren(...nodes(children));
	return node;
}

export const byId = id => document.getElementById(id);
