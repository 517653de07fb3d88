// SPDX-License-Identifier: Apache-2.0
// Fields for how mail reaches an agent, when one is made and later.
import {h} from "./dom.js";
import {field} from "./form.js";

const MODES = [
	["local", "Local: the agent connects to this server and is told of its mail (WebSocket, e2a listen)"],
	["cloud", "Cloud: this server sends each mail to a URL of the agent (webhook)"],
];

let count = 0;

function radio(name, [value, words], chosen, change) {
	return h("label", {class: "tick"},
		h("input", {type: "radio", name, value, checked: value === chosen, onchange: change}),
		h("span", words));
}

/** node; value() is what the API takes, set(mode, url) shows others; about: for errorForm(). */
export function modeFields(mode, url, legend = "How mail reaches it") {
	const name = `mode-${++count}`;
	const hook = h("input", {type: "text", inputmode: "url", value: url, autocomplete: "off",
		spellcheck: "false", placeholder: "https://"});
	const hookField = field("Webhook URL", hook, "Answer 2xx within 15 seconds; check the signature, see Connect.");
	const box = h("fieldset", h("legend", legend),
		MODES.map(m => radio(name, m, mode, () => show())));
	let kept = mode === "local" ? url : "";
	const chosen = () => box.querySelector("input:checked").value;
	const show = () => { hookField.hidden = chosen() !== "cloud"; };

	show();
	return {
		node: h("div", box, hookField),
		about: [[/^webhook_url is required/, hook, "In cloud mode it needs a webhook URL."], [/webhook/, hook]],
		value: () => ({agent_mode: chosen(), webhook_url: chosen() === "cloud" ? hook.value.trim() : kept}),
		set: (newMode, newUrl) => {
			box.querySelector(`input[value=${newMode === "local" ? "local" : "cloud"}]`).checked = true;
			hook.value = newUrl;
			kept = newMode === "local" ? newUrl : "";
			show();
		},
	};
}
