// The mapping templates of POST /workflows/{name}, rendered by a Velocity engine: no emulator has this part of API Gateway.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import velocity from 'velocityjs';

import { ANSWER_TEMPLATE, startTemplate } from '../lib/mapping.ts';

/** What API Gateway gives its templates, as far as ours use it. Texts are objects with Java's replaceAll, which takes a regular expression. */
function render(template: string, body: string) {
  const context = { requestId: 'r-1', responseOverride: { status: undefined as number | undefined } };
  const value = JSON.parse(body);
  const at = (path: string) => path.replace(/^\$\.?/, '').split('.').filter(Boolean).reduce((node, key) => node?.[key], value);
  const escaped = (text: string) =>
    JSON.stringify(String(text)).slice(1, -1).replace(/[/']/g, (c) => `\\${c}`).replace(/[\u0080-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
  const input = { json: (path: string) => JSON.stringify(at(path)), path: at };
  const util = {
    escapeJavaScript: (text: string) => ({ replaceAll: (pattern: string, by: string) => escaped(text).replace(new RegExp(pattern, 'g'), by) }),
    parseJson: (text: string) => JSON.parse(text),
  };
  return { text: velocity.render(template, { input, util, context }).trim(), context };
}

test('the body goes into the execution as it is', () => {
  for (const message of ['Hello', 'It\'s "quoted", isn\'t it?', 'back\\slash\nand line', 'über 東京 🦆', '</script> $input #if(true) ${x}']) {
    const body = { session_id: 's', message, models: ['a/b'] };
    const sent = JSON.parse(render(startTemplate('arn:aws:states:us-east-1:1:stateMachine:x'), JSON.stringify(body)).text);
    assert.equal(sent.stateMachineArn, 'arn:aws:states:us-east-1:1:stateMachine:x');
    assert.deepEqual(JSON.parse(sent.input), body);
  }
});

test('the answer of an execution that succeeded is its output, byte for byte', () => {
  const output = JSON.stringify({ state: 'completed', session_id: 's', message: 'It\'s "so" $input \\ 東京' });
  const { text, context } = render(ANSWER_TEMPLATE, JSON.stringify({ status: 'SUCCEEDED', output }));
  assert.equal(text, output);
  assert.equal(context.responseOverride.status, undefined);
});

test('a marker is 503 with its output', () => {
  const output = JSON.stringify({ state: 'failed', session_id: 's', error: 'Provider.Overloaded', cause: '{"errorMessage":"busy"}' });
  const { text, context } = render(ANSWER_TEMPLATE, JSON.stringify({ status: 'SUCCEEDED', output }));
  assert.deepEqual(JSON.parse(text), JSON.parse(output));
  assert.equal(context.responseOverride.status, 503);
});

test('an execution that failed or ran out of time is an error of ours', () => {
  const failed = render(ANSWER_TEMPLATE, JSON.stringify({ status: 'FAILED', error: "States.Runtime'\"", cause: 'secret detail' }));
  assert.equal(failed.context.responseOverride.status, 500);
  assert.deepEqual(JSON.parse(failed.text), { error: 'Workflow failed', message: 'The workflow ended with States.Runtime\'".', code: 'internal', request_id: 'r-1' });
  const late = render(ANSWER_TEMPLATE, JSON.stringify({ status: 'TIMED_OUT' }));
  assert.equal(late.context.responseOverride.status, 504);
  assert.equal(JSON.parse(late.text).code, 'timed_out');
});
