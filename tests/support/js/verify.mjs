// Signs and verifies for tests/webhooks/test_interop.py, as a receiver in JavaScript does.
//
// Reads a job a line, writes a result a line, all JSON; bodies travel as base64.
//   {"do": "verify", "library", "secret", "headers", "body"} -> {"payload"} or {"refused": why}
//   {"do": "sign", "library", "secret", "id", "seconds", "body"} -> {"signature"}

import { createInterface } from "node:readline";
import * as standardwebhooks from "standardwebhooks";
import * as svix from "svix";

const libraries = { standardwebhooks, svix };

function run(job) {
  const { Webhook, WebhookVerificationError } = libraries[job.library];
  const webhook = new Webhook(job.secret);
  const body = Buffer.from(job.body, "base64");
  if (job.do === "sign") {
    return { signature: webhook.sign(job.id, new Date(job.seconds * 1000), body.toString("utf-8")) };
  }
  try {
    return { payload: webhook.verify(body, job.headers) };
  } catch (error) {
    if (error instanceof WebhookVerificationError) return { refused: error.message };
    throw error;
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(run(JSON.parse(line))));
}
