// A client of AG-UI for tests/pages/test_ag_ui.py: the protocol's own, as a front end has it.
//
// Reads a job a line, writes a result a line, all JSON.
//   {"do": "run", "url", "token", "thread", "say"?, "resume"?, "dropAfter"?}
//     -> {"events", "warnings", "messages", "state", "interrupts", "error"?}
//   "resume" is a list of entries, or {"answer": payload} for all that waits; a thread's agent is kept between runs.
//   {"do": "verify", "runs": [[event, ...], ...]} -> {"verified": how many events, "warnings"}; fails otherwise

import { createInterface } from "node:readline";
import { buildResumeArray, enforceEvents, HttpAgent, verifyEvents } from "@ag-ui/client";
import { from, lastValueFrom, toArray } from "rxjs";

const agents = new Map();
let warnings = [];
console.warn = (...words) => warnings.push(words.join(" "));
console.error = (...words) => warnings.push(words.join(" "));

function agentOf({ url, token, thread }) {
  if (!agents.has(thread)) {
    const headers = { Authorization: `Bearer ${token}` };
    agents.set(thread, new HttpAgent({ url, headers, threadId: thread }));
  }
  return agents.get(thread);
}

async function run(job) {
  const agent = agentOf(job);
  const events = [];
  if (job.say) agent.addMessage({ id: `said-${events.length}-${Date.now()}`, role: "user", content: job.say });
  let { resume } = job;
  if (resume && !Array.isArray(resume)) {
    const answers = agent.pendingInterrupts.map(({ id }) => [id, { status: "resolved", payload: resume.answer }]);
    resume = buildResumeArray(agent.pendingInterrupts, Object.fromEntries(answers));
  }
  let error = null;
  const abortController = new AbortController();
  try {
    await agent.runAgent({ ...(resume && { resume }), abortController }, {
      onEvent({ event }) {
        events.push(event);
        if (events.length === job.dropAfter) abortController.abort();
      },
    });
  } catch (failure) {
    error = String(failure.message ?? failure);
  }
  const { messages, state, pendingInterrupts } = agent;
  return { events, messages, state, interrupts: pendingInterrupts, error };
}

async function verify({ runs }) {
  let verified = 0;
  for (const events of runs) {
    const passed = await lastValueFrom(from(events).pipe(enforceEvents(), verifyEvents(), toArray()));
    if (passed.length !== events.length) throw new Error(`${passed.length} of ${events.length} events are left`);
    verified += passed.length;
  }
  return { verified };
}

const jobs = { run, verify };
for await (const line of createInterface({ input: process.stdin })) {
  const job = JSON.parse(line);
  warnings = [];
  try {
    console.log(JSON.stringify({ ...(await jobs[job.do](job)), warnings }));
  } catch (error) {
    console.log(JSON.stringify({ failed: String(error.stack ?? error) }));
  }
}
