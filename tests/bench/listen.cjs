// SPDX-License-Identifier: Apache-2.0
// What `e2a listen` does, in a few lines for Node: `node listen.cjs URL` prints a line for each
// notice. With the package ws where there is one (node-ws in Debian), else with Node's own client.
"use strict";

function client() {
	try {
		return require("ws");
	} catch {
		return globalThis.WebSocket;
	}
}

const WebSocket = client();
if (!WebSocket) {
	console.error("no WebSocket client");
	process.exit(1);
}
const socket = new WebSocket(process.argv[2]);
socket.onmessage = ({ data }) => {
	const notice = JSON.parse(data);
	const time = new Date(notice.received_at).toISOString();
	console.log(`[${time}] From: ${notice.from} | Subject: ${notice.subject}`);
};
