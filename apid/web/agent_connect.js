// SPDX-License-Identifier: Apache-2.0
// What to paste for this agent: its address and this server, never a key. An address may hold
// anything; each text is quoted for the language that it stands in.
import {path} from "./api.js";
import {copyable, shell} from "./copy.js";
import {h, replace} from "./dom.js";

const KEY = "e2a_YOUR_KEY", AUTH = '-H "Authorization: Bearer $E2A_API_KEY"';

const inUrl = s => encodeURIComponent(s).replace(/[!'()*]/g,
	c => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
// A string of JavaScript and of Python.
const inCode = s => JSON.stringify(s).replace(/[^ -~]/g,
	c => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);

function setting({url, local}) {
	return `export E2A_URL=${shell(url)}
export E2A_API_KEY=${KEY}
${local ? "" : `export E2A_WEBHOOK_SECRET=YOUR_SECRET   # 64 digits, for the SDKs
export E2A_WHSEC=whsec_YOUR_SECRET      # the same one, for Standard Webhooks
`}`;
}

function command({email, local}) {
	const agent = `--agent ${shell(email)}`;
	const listen = `e2a listen ${agent} --json   # one message per line
e2a listen ${agent} --forward http://127.0.0.1:8000/mail
`;

	return `${local ? listen : ""}e2a inbox ${agent} --unread
e2a read MESSAGE_ID ${agent}
e2a reply MESSAGE_ID ${agent} --body "Thank you."
e2a send ${agent} --to ann@example.org --subject Hello --body "Hello Ann."
`;
}

function curl({email}) {
	const at = `"$E2A_URL/api/v1/agents/${inUrl(email)}`;
	const mail = `{"from":${inCode(email)},"to":["ann@example.org"],"subject":"Hello","body":"Hello Ann."}`;

	return `# unread mail; one mail, which is read then; answer it; write to somebody
curl -s ${AUTH} ${at}/messages"
curl -s ${AUTH} ${at}/messages/MESSAGE_ID"
curl -s ${AUTH} ${at}/messages/MESSAGE_ID/reply" \\
  -d '{"body":"Thank you."}'
curl -s ${AUTH} "$E2A_URL/api/v1/send" \\
  -d ${shell(mail)}
`;
}

const socket = ({email, url}) => `# one frame per mail: the unread ones, then new ones
python3 -m websockets "${url.replace(/^http/, "ws")}/api/v1/agents/${inUrl(email)}/ws?token=$E2A_API_KEY"
`;

const stream = ({email}) => `curl -sN ${AUTH} "$E2A_URL/api/v1/agents/${inUrl(email)}/events"
`;

const webhook = () => `# pip install standardwebhooks
import os
from http.server import BaseHTTPRequestHandler, HTTPServer
from standardwebhooks import Webhook, WebhookVerificationError

check = Webhook(os.environ["E2A_WHSEC"])

class Hook(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            mail = check.verify(body, dict(self.headers))
        except WebhookVerificationError:
            self.send_response(401)
        else:
            print(mail["message_id"], mail["from"], mail["recipient"], flush=True)
            self.send_response(200)
        self.end_headers()

HTTPServer(("127.0.0.1", 9000), Hook).serve_forever()
`;

const pythonLocal = ({email}) => `# pip install 'e2a[ws]'
import asyncio
from e2a.v1 import AsyncE2AClient

async def main():
    async with AsyncE2AClient() as client:      # reads E2A_API_KEY
        async for notice in client.listen(${inCode(email)}):
            email = await client.get_message(notice.message_id)
            print(email.sender, email.subject)
            await email.reply("Got it!")

asyncio.run(main())
`;

const pythonCloud = () => `# pip install e2a
from e2a.v1 import E2AClient

client = E2AClient()                            # reads E2A_API_KEY
email = client.parse_webhook(request_body)      # checks it with E2A_WEBHOOK_SECRET
print(email.sender, email.subject)
email.reply("Got it!")
`;

const typescript = () => `// npm install @e2a/sdk
import {E2AClient} from "@e2a/sdk";

const client = new E2AClient();                  // reads E2A_API_KEY
const email = await client.parseWebhook(req.body); // checks it with E2A_WEBHOOK_SECRET
console.log(email.sender, email.subject);
`;

// [heading, text(of), in which modes]
const WAYS = [
	["The command e2a", command, "local cloud"],
	["curl", curl, "local cloud"],
	["WebSocket", socket, "local"],
	["Webhook that checks signatures (Python)", webhook, "cloud"],
	["Event stream (Server-Sent Events)", stream, "local cloud"],
	["Python SDK", of => of.local ? pythonLocal(of) : pythonCloud(), "local cloud"],
	["TypeScript SDK", typescript, "cloud"],
];

function way(of, [heading, text, modes], i) {
	return modes.includes(of.mode) && h("details", {open: i === 0}, h("summary", heading),
		copyable(text(of), heading, {block: true}));
}

/** The section, which another mode changes. */
export function connectSection(agent, url) {
	const ways = h("div");
	const update = a => {
		const of = {email: a.email, mode: a.agent_mode, local: a.agent_mode === "local",
			url: url.replace(/\/+$/, "")};

		replace(ways, h("div", {class: "field"}, copyable(setting(of), "the settings", {block: true})),
			WAYS.map((w, i) => way(of, w, i)));
	};

	update(agent);
	return {
		node: h("section", {class: "card"}, h("h2", "Connect"),
			h("p", `Set these first. Instead of ${KEY} put `,
				h("a", {href: `#/keys?agent=${encodeURIComponent(agent.email)}`}, "a key of this agent"),
				"; the secret of webhooks is under ", h("a", {href: "#/secrets"}, "Signing"), "."),
			ways),
		update,
	};
}
