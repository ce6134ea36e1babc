import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { findProgram } from '../lib/program.ts';

test('the program of the architecture, none of the other one, and a placeholder only where one is asked for', (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'tertulia-program-'));
  context.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'arm64'));
  writeFileSync(join(folder, 'arm64', 'tertulia.zip'), '');
  for (const placeholder of [false, true]) assert.deepEqual(findProgram('arm64', placeholder, folder), { path: join(folder, 'arm64', 'tertulia.zip'), isPlaceholder: false });
  assert.throws(() => findProgram('x86_64', false, folder), /there is no build\/lambda\/x86_64\/tertulia\.zip: \.\/dev lambda x86_64 makes it/);
  const instead = findProgram('x86_64', true, folder);
  assert.ok(instead.isPlaceholder && existsSync(join(instead.path, 'bootstrap')));
});
