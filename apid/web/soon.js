// SPDX-License-Identifier: Apache-2.0
// A page that is not there yet.
import {h} from "./dom.js";

export const soon = name => ({
	title: () => name,
	show: main => main.append(h("p", "This page is not there yet.")),
});
