import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** The zip that ./dev lambda makes, or the placeholder that lets a stack be looked at before. */
export function findProgram(architecture: string): { readonly path: string; readonly isPlaceholder: boolean } {
  const zip = at(`../../../build/lambda/${architecture}/tertulia.zip`);
  return existsSync(zip) ? { path: zip, isPlaceholder: false } : { path: at('../placeholder'), isPlaceholder: true };
}

/** The path of a workflow's definition. */
export const workflowFile = (name: string) => at(`../../workflows/${name}.asl.json`);
