import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/**
 * The zip that ./dev lambda makes, or where `placeholder` allows it what lets a stack be looked at before.
 * @throws Error where there is neither: a stack that only fails must not be deployed unasked.
 */
export function findProgram(architecture: string, placeholder: boolean, folder = at('../../../build/lambda')): { readonly path: string; readonly isPlaceholder: boolean } {
  const zip = join(folder, architecture, 'tertulia.zip');
  if (existsSync(zip)) return { path: zip, isPlaceholder: false };
  if (placeholder) return { path: at('../placeholder'), isPlaceholder: true };
  throw new Error(`there is no build/lambda/${architecture}/tertulia.zip: ./dev lambda ${architecture} makes it (./dev deploy does so by itself); -c placeholder=true makes a template without it`);
}

/** The path of a workflow's definition. */
export const workflowFile = (name: string) => at(`../../workflows/${name}.asl.json`);
