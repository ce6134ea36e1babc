// The workflows in an interpreter of the States Language, with a function of ours that answers as the program does, failures included.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import validate from 'asl-validator';
import { StateMachine } from 'aws-local-stepfunctions';

import { workflowFile } from '../lib/program.ts';

type Event = { kind: 'chat.turn' | 'model.call'; session_id?: string; message?: string; idempotency_key?: string; model?: string; messages?: { role: string; content: string }[]; system?: string };
type Answer = (event: Event, nth: number) => object;

/** A failure with the name that our function gives it. */
class Failure extends Error {
  constructor(name: string) {
    super(`${name} happened`);
    this.name = name;
  }
}
const fail = (name: string): never => {
  throw new Failure(name);
};

const definition = (name: string) => readFileSync(workflowFile(name), 'utf8').replaceAll('${ChatFunction}', 'arn:aws:lambda:us-east-1:123456789012:function:chat-long').replaceAll('${Models}', 'a/one,b/two');

const TASKS = ['AskOne', 'Merge', 'AnswerAlone', 'Draft', 'Accuracy', 'Clarity', 'Final'];

/** Runs a workflow; `answers` by the name of the state. Every call is noted. */
async function run(name: string, input: object, answers: Record<string, Answer>) {
  const calls: { state: string; event: Event }[] = [];
  const handler = (state: string) => async ({ Payload }: { FunctionName: string; Payload: Event }) => {
    calls.push({ state, event: Payload });
    const nth = calls.filter((call) => call.state === state && call.event.model === Payload.model).length;
    return { Payload: (answers[state] ?? fallback)(Payload, nth), StatusCode: 200 };
  };
  const execution = new StateMachine(JSON.parse(definition(name)), { validationOptions: { checkArn: true, checkPaths: true } }).run(input as never, {
    overrides: {
      taskResourceLocalHandlers: Object.fromEntries(TASKS.map((state) => [state, handler(state)])) as never,
      retryIntervalOverrides: Object.fromEntries(TASKS.map((state) => [state, 0])),
    },
    context: { Execution: { Name: 'e1', Id: 'e1', Input: input as never, RoleArn: '', StartTime: '2026-01-01T00:00:00Z' } } as never,
  });
  return { output: (await execution.result) as Record<string, any>, calls };
}

const fallback: Answer = (event) =>
  event.kind === 'model.call'
    ? { text: `${event.model} says`, model: event.model, stop_reason: 'end_turn', usage: {}, cost: {} }
    : { session_id: event.session_id, message: `answer to: ${event.message!.slice(0, 12)}`, turn_id: 't1', model: 'm/session', usage: {} };

const input = { session_id: 's1', message: "What's {2 + 2}?" };
const OURS = ['Provider.Overloaded', 'Provider.TimedOut', 'Session.Busy', 'Server.Unavailable'];
const AMAZONS = ['Lambda.ServiceException', 'Lambda.AWSLambdaException', 'Lambda.SdkClientException', 'Lambda.ClientExecutionTimeoutException', 'Lambda.TooManyRequestsException'];

for (const name of ['ask-several', 'draft-critique-final'])
  test(`${name} is valid`, () => {
    const { isValid, errorsText } = validate(JSON.parse(definition(name)));
    assert.ok(isValid, errorsText('\n'));
  });

test('every task has a time limit, retries and a marker', () => {
  const tasks = (states: Record<string, any>): any[] =>
    Object.values(states).flatMap((state) => [
      ...(state.Type === 'Task' ? [state] : []),
      ...tasks(state.ItemProcessor?.States ?? {}),
      ...(state.Branches ?? []).flatMap((branch: any) => tasks(branch.States)),
    ]);
  for (const name of ['ask-several', 'draft-critique-final']) {
    const machine = JSON.parse(definition(name));
    assert.ok(machine.TimeoutSeconds <= 300, 'a synchronous execution has five minutes');
    assert.ok(tasks(machine.States).length >= 3);
    for (const task of tasks(machine.States)) {
      assert.ok(task.TimeoutSeconds > 0);
      assert.deepEqual(task.Retry.flatMap((retry: any) => retry.ErrorEquals), [...OURS, ...AMAZONS]);
      assert.deepEqual(task.Catch[0].ErrorEquals, ['States.ALL']);
    }
  }
});

describe('ask-several', () => {
  test('asks the models of the stack where none are named, and merges what they say in a turn of the session', async () => {
    const { output, calls } = await run('ask-several', input, {});
    assert.deepEqual(calls.slice(0, 2).map(({ event }) => event), [
      { kind: 'model.call', model: 'a/one', messages: [{ role: 'user', content: input.message }] },
      { kind: 'model.call', model: 'b/two', messages: [{ role: 'user', content: input.message }] },
    ]);
    const merge = calls[2].event;
    assert.equal(merge.kind, 'chat.turn');
    assert.equal(merge.session_id, 's1');
    assert.equal(merge.idempotency_key, 'e1-merge');
    assert.ok(merge.message!.startsWith(input.message));
    assert.ok(merge.message!.endsWith('["a/one says","b/two says"]'));
    assert.deepEqual(output, {
      state: 'completed', session_id: 's1', message: "answer to: What's {2 + ", turn_id: 't1', model: 'm/session',
      candidates: [{ state: 'completed', model: 'a/one', text: 'a/one says' }, { state: 'completed', model: 'b/two', text: 'b/two says' }],
    });
  });

  test('asks those that the request names', async () => {
    const { calls } = await run('ask-several', { ...input, models: ['x/1', 'y/2', 'z/3'] }, {});
    assert.deepEqual(calls.filter(({ state }) => state === 'AskOne').map(({ event }) => event.model), ['x/1', 'y/2', 'z/3']);
  });

  test('a model that stays overloaded is a marker; the others are merged', async () => {
    const { output, calls } = await run('ask-several', input, { AskOne: (event) => (event.model === 'a/one' ? fail('Provider.Overloaded') : fallback(event, 1)) });
    assert.equal(calls.filter(({ event }) => event.model === 'a/one').length, 4, 'once, and three more times');
    assert.deepEqual(output.candidates, [{ state: 'failed', model: 'a/one', error: 'Provider.Overloaded', cause: 'Provider.Overloaded happened' }, { state: 'completed', model: 'b/two', text: 'b/two says' }]);
    assert.ok(calls.at(-1)!.event.message!.endsWith('["b/two says"]'));
    assert.equal(output.state, 'completed');
  });

  test('where none answers the session answers alone', async () => {
    const { output, calls } = await run('ask-several', input, { AskOne: () => fail('Provider.Rejected') });
    assert.deepEqual(calls.at(-1), { state: 'AnswerAlone', event: { kind: 'chat.turn', session_id: 's1', message: input.message, idempotency_key: 'e1-alone' } });
    assert.equal(output.state, 'completed');
    assert.equal(calls.length, 3, 'what a provider rejects is not tried again');
  });

  test('where the session does not answer either the output is a marker', async () => {
    const { output } = await run('ask-several', input, { Merge: () => fail('Budget.Exceeded') });
    assert.deepEqual(output, { state: 'failed', session_id: 's1', error: 'Budget.Exceeded', cause: 'Budget.Exceeded happened', candidates: output.candidates });
  });

  for (const error of [...OURS, ...AMAZONS])
    test(`${error} is tried again, under the same key`, async () => {
      const { output, calls } = await run('ask-several', input, { Merge: (event, nth) => (nth === 1 ? fail(error) : fallback(event, nth)) });
      assert.equal(output.state, 'completed');
      assert.deepEqual(calls.filter(({ state }) => state === 'Merge').map(({ event }) => event.idempotency_key), ['e1-merge', 'e1-merge']);
    });
});

describe('draft-critique-final', () => {
  test('two turns of the session, and between them two critics side by side', async () => {
    const { output, calls } = await run('draft-critique-final', input, { Draft: () => ({ message: 'Five.', turn_id: 't-draft', model: 'm/session' }) });
    assert.deepEqual(calls.map(({ state }) => state), ['Draft', 'Accuracy', 'Clarity', 'Final']);
    assert.deepEqual(calls[0].event, { kind: 'chat.turn', session_id: 's1', message: input.message, idempotency_key: 'e1-draft' });
    assert.deepEqual(calls.slice(1, 3).map(({ event }) => event.model), ['a/one', 'b/two']);
    for (const { event } of calls.slice(1, 3)) {
      assert.equal(event.messages![0].content, `The question:\n${input.message}\n\nThe draft of an answer:\nFive.`);
      assert.match(event.system!, /draft of an answer/);
    }
    assert.match(calls[3].event.message!, /"text":"a\/one says"/);
    assert.equal(output.state, 'completed');
    assert.deepEqual(output.draft, { message: 'Five.', turn_id: 't-draft', model: 'm/session' });
    assert.deepEqual(output.critiques.map((critique: any) => critique.by), ['Accuracy', 'Clarity']);
  });

  test('one model may be both critics', async () => {
    const { calls } = await run('draft-critique-final', { ...input, models: ['x/1'] }, {});
    assert.deepEqual(calls.slice(1, 3).map(({ event }) => event.model), ['x/1', 'x/1']);
  });

  test('a critic that fails is a marker, and the answer is finished all the same', async () => {
    const { output } = await run('draft-critique-final', input, { Clarity: () => fail('Provider.TimedOut') });
    assert.deepEqual(output.critiques[1], { state: 'failed', by: 'Clarity', error: 'Provider.TimedOut', cause: 'Provider.TimedOut happened' });
    assert.equal(output.state, 'completed');
  });

  test('no draft, no critics', async () => {
    const { output, calls } = await run('draft-critique-final', input, { Draft: () => fail('Request.Invalid') });
    assert.deepEqual(output, { state: 'failed', step: 'draft', session_id: 's1', error: 'Request.Invalid', cause: 'Request.Invalid happened' });
    assert.equal(calls.length, 1);
  });

  test('a final turn that fails leaves the draft and its critiques in the marker', async () => {
    const { output, calls } = await run('draft-critique-final', input, { Final: () => fail('Session.Busy') });
    assert.equal(calls.filter(({ state }) => state === 'Final').length, 4);
    assert.deepEqual([output.state, output.step, output.error], ['failed', 'final', 'Session.Busy']);
    assert.equal(output.draft.turn_id, 't1');
    assert.equal(output.critiques.length, 2);
  });
});
