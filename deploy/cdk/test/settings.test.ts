import assert from 'node:assert/strict';
import { test } from 'node:test';

import { readSettings } from '../lib/settings.ts';

const read = (context: Record<string, unknown> = {}) => readSettings((name) => context[name]);

test('without any context everything is on, on arm64, with models of Bedrock and no key', () => {
  const settings = read();
  assert.equal(settings.architecture, 'arm64');
  assert.deepEqual([settings.rest, settings.restStreaming, settings.functionUrl, settings.webSocket, settings.workflows], [true, true, true, true, true]);
  assert.equal(settings.functionUrlAuth, 'AWS_IAM');
  assert.ok(settings.models.length >= 2 && settings.models.every((model) => model.startsWith('bedrock/')));
  assert.deepEqual(settings.bedrockModels, settings.models.map((model) => model.replace('bedrock/', '')));
  assert.deepEqual(settings.keys, []);
});

test('values come as the command line gives them: text', () => {
  const settings = read({ architecture: 'x86_64', restStreaming: 'false', requestsPerSecond: '7', models: 'bedrock/a, bedrock-invoke/b' });
  assert.equal(settings.architecture, 'x86_64');
  assert.equal(settings.restStreaming, false);
  assert.equal(settings.requestsPerSecond, 7);
  assert.deepEqual(settings.bedrockModels, ['a', 'b']);
});

test('keys are named, not given', () => {
  assert.deepEqual(read({ models: 'anthropic/claude,openai/gpt', anthropicSecret: 'tertulia/anthropic', openaiParameter: '/tertulia/openai' }).keys, [
    { provider: 'ANTHROPIC', kind: 'secret', name: 'tertulia/anthropic' },
    { provider: 'OPENAI', kind: 'parameter', name: '/tertulia/openai' },
  ]);
});

test('extraEnvironment is JSON, as text or as an object in cdk.json', () => {
  assert.deepEqual(read({ extraEnvironment: '{"A": "1"}' }).extraEnvironment, { A: '1' });
  assert.deepEqual(read({ extraEnvironment: { A: '1' } }).extraEnvironment, { A: '1' });
});

test('a name that nobody reads is refused, but those of CDK', () => {
  assert.throws(() => readSettings(() => undefined, ['restStreming']), /unknown context: restStreming; there are .*restStreaming/);
  readSettings(() => undefined, ['restStreaming', '@aws-cdk/core:x', 'aws:cdk:bundling-stacks']);
});

for (const [what, context, message] of [
  ['another architecture', { architecture: 'riscv' }, /architecture: arm64 or x86_64, not 'riscv'/],
  ['a flag that is neither', { webSocket: 'yes' }, /webSocket: true or false/],
  ['a model without its provider', { models: 'claude' }, /'claude' is not PROVIDER\/MODEL/],
  ['a model that would end its place in a workflow', { models: "bedrock/a'b" }, /is not PROVIDER\/MODEL/],
  ['no model', { models: '' }, /name at least one/],
  ['a model whose key is nowhere', { models: 'anthropic/claude' }, /needs a key: -c anthropicSecret/],
  ['OpenAI by its other API, the same', { models: 'openai-responses/gpt' }, /needs a key: -c openaiSecret/],
  ['two places for one key', { openaiSecret: 'a', openaiParameter: 'b' }, /one of them, not both/],
  ['extraEnvironment that is no JSON', { extraEnvironment: '{A: 1}' }, /extraEnvironment: not JSON/],
  ['extraEnvironment that is no object', { extraEnvironment: '["A"]' }, /must be a JSON object/],
  ['extraEnvironment with a number', { extraEnvironment: '{"A": 1}' }, /A must be a string/],
  ['a rate beyond all quotas', { requestsPerSecond: '1e9' }, /requestsPerSecond: a number from/],
  ['no concurrency at all', { reservedConcurrency: '0' }, /reservedConcurrency: a number from 1/],
  ['a word for a number', { logDays: 'many' }, /logDays: a number from/],
] as const)
  test(`${what} is refused`, () => assert.throws(() => read(context), message));
