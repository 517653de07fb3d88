// SPDX-License-Identifier: Apache-2.0
// A word to whoever runs this server.
import {post} from "./api.js";
import {h} from "./dom.js";
import {field, form} from "./form.js";
import {say} from "./say.js";
import {me} from "./session.js";

const MOST = 5000; // characters, as the server counts them

export default {
	title: () => "Feedback",

	show(main) {
		const message = h("textarea", {name: "message", rows: "8", required: true});
		const count = h("p", {class: "hint"});
		const tell = () => {
			const left = MOST - [...message.value].length;

			count.textContent = left > 500 ? "" : left < 0 ? `${-left} too many`
				: `${left} character${left === 1 ? "" : "s"} left`;
			message.setCustomValidity(left < 0 ? `At most ${MOST} characters.` : "");
		};

		message.addEventListener("input", tell);
		main.append(h("p", "It is mailed to whoever runs this server, with your address, ",
			`${me().email}, so that they can answer.`),
		h("section", {class: "card", "aria-label": "Feedback"}, form([
			field("What is it?", h("select", {name: "category"},
				h("option", {value: "bug"}, "Something does not work"),
				h("option", {value: "feature"}, "Something is missing"),
				h("option", {value: "general", selected: true}, "Something else"))),
			field("Your words", message), count,
		], "Send", async data => {
			await post("/api/feedback", {message: data.get("message"), category: data.get("category")},
				{key: true});
			message.value = "";
			tell();
			say("Sent. Thank you.");
		})));
	},
};
