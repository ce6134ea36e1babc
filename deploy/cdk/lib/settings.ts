// The switches of the stack, read from CDK's context (-c NAME=VALUE, or "context" in cdk.json) and checked before anything is made.

/** Where a provider's key is kept. The functions get the name and read it themselves; the key is never in a template. */
export interface KeyReference {
  readonly provider: 'ANTHROPIC' | 'OPENAI';
  readonly kind: 'secret' | 'parameter';
  readonly name: string;
}

export interface Settings {
  readonly architecture: 'arm64' | 'x86_64';
  /** Without a program for that architecture the functions are placeholders that only fail, and that is no error. */
  readonly placeholder: boolean;
  /** Lambda gives processor time in proportion: 1769 MB are one. */
  readonly memoryMb: number;
  /** PROVIDER/MODEL; the first is the default one, all of them are the workflows' where a request names none. */
  readonly models: readonly string[];
  /** Bedrock's model ids, inference profiles or ARNs that the functions may call. */
  readonly bedrockModels: readonly string[];
  readonly keys: readonly KeyReference[];
  readonly rest: boolean;
  /** REST answers come as they are made (15 minutes), and not whole (29 s). */
  readonly restStreaming: boolean;
  readonly functionUrl: boolean;
  readonly functionUrlAuth: 'AWS_IAM' | 'NONE';
  readonly webSocket: boolean;
  readonly webSocketAuth: 'AWS_IAM' | 'NONE';
  readonly workflows: boolean;
  /** How long POST /workflows/... may wait; more than 29 s needs a quota of the account raised. */
  readonly workflowSeconds: number;
  /** How much chat-long does at once, for all fronts together: the one bound of a Function URL. None: what the account allows. */
  readonly reservedConcurrency?: number;
  readonly requestsPerSecond: number;
  readonly requestsPerDay: number;
  readonly hourlyBudgetUsd: number;
  readonly alarmEmail?: string;
  readonly logDays: number;
  /** Tables go with the stack: for stacks to try things in. */
  readonly disposable: boolean;
  readonly extraEnvironment: Readonly<Record<string, string>>;
}

/** Reads one value of the context; undefined where it is not set. */
export type Context = (name: string) => unknown;

const DEFAULT_MODELS =
  'bedrock/global.anthropic.claude-haiku-4-5-20251001-v1:0,bedrock/global.anthropic.claude-sonnet-4-5-20250929-v1:0';

/** @throws Error with what is wrong, in words for whoever gave the context; `given` are all its names. */
export function readSettings(context: Context, given: readonly string[] = []): Settings {
  const read = new Set<string>();
  const settings = makeSettings((name) => (read.add(name), context(name)));
  // A typing error would otherwise deploy what was not meant. CDK's own names have a `:` or `/`.
  const unknown = given.filter((name) => !/[:/]/.test(name) && !read.has(name));
  if (unknown.length > 0) throw new Error(`unknown context: ${unknown.join(', ')}; there are ${[...read].join(', ')}`);
  return settings;
}

function makeSettings(context: Context): Settings {
  const models = list(context, 'models', DEFAULT_MODELS);
  for (const model of models)
    if (!/^[A-Za-z0-9_-]+\/[^\s,'\\{}]+$/.test(model)) throw new Error(`models: '${model}' is not PROVIDER/MODEL`);
  if (models.length === 0) throw new Error('models: name at least one');

  const settings: Settings = {
    architecture: oneOf(context, 'architecture', ['arm64', 'x86_64']),
    placeholder: flag(context, 'placeholder', false),
    memoryMb: number(context, 'memoryMb', 512, 128, 10240),
    models,
    bedrockModels: list(context, 'bedrockModels', bedrockIds(models).join(',')),
    keys: readKeys(context),
    rest: flag(context, 'rest', true),
    restStreaming: flag(context, 'restStreaming', true),
    functionUrl: flag(context, 'functionUrl', true),
    functionUrlAuth: oneOf(context, 'functionUrlAuth', ['AWS_IAM', 'NONE']),
    webSocket: flag(context, 'webSocket', true),
    webSocketAuth: oneOf(context, 'webSocketAuth', ['AWS_IAM', 'NONE']),
    workflows: flag(context, 'workflows', true),
    workflowSeconds: number(context, 'workflowSeconds', 29, 1, 290),
    reservedConcurrency: text(context, 'reservedConcurrency') ? number(context, 'reservedConcurrency', 0, 1, 10000) : undefined,
    requestsPerSecond: number(context, 'requestsPerSecond', 20, 1, 10000),
    requestsPerDay: number(context, 'requestsPerDay', 20000, 1, 1e9),
    hourlyBudgetUsd: number(context, 'hourlyBudgetUsd', 5, 0.01, 1e6),
    alarmEmail: text(context, 'alarmEmail'),
    logDays: number(context, 'logDays', 30, 1, 3653),
    disposable: flag(context, 'disposable', false),
    extraEnvironment: readEnvironment(context),
  };
  mustHaveKeys(settings);
  return settings;
}

function bedrockIds(models: readonly string[]): string[] {
  return models.flatMap((model) => /^bedrock(?:-invoke)?\/(.+)$/.exec(model)?.[1] ?? []);
}

function readKeys(context: Context): KeyReference[] {
  const keys: KeyReference[] = [];
  for (const provider of ['anthropic', 'openai'] as const) {
    const secret = text(context, `${provider}Secret`);
    const parameter = text(context, `${provider}Parameter`);
    if (secret && parameter) throw new Error(`${provider}Secret and ${provider}Parameter: one of them, not both`);
    const upper = provider.toUpperCase() as KeyReference['provider'];
    if (secret) keys.push({ provider: upper, kind: 'secret', name: secret });
    if (parameter) keys.push({ provider: upper, kind: 'parameter', name: parameter });
  }
  return keys;
}

/** A stack whose default model has no key would deploy, and fail its first turn. */
function mustHaveKeys({ models, keys, extraEnvironment }: Settings): void {
  for (const model of models)
    for (const [provider, prefix] of [['ANTHROPIC', 'anthropic/'], ['OPENAI', 'openai']] as const)
      if (model.startsWith(prefix) && !keys.some((key) => key.provider === provider) &&
          !Object.keys(extraEnvironment).some((name) => name.startsWith(`${provider}_API_KEY`)))
        throw new Error(`models: '${model}' needs a key: -c ${provider.toLowerCase()}Secret=NAME or ...Parameter=NAME`);
}

function readEnvironment(context: Context): Record<string, string> {
  const given = context('extraEnvironment') ?? {};
  let value: unknown;
  try {
    value = typeof given === 'string' ? JSON.parse(given || '{}') : given;
  } catch (error) {
    throw new Error(`extraEnvironment: not JSON: ${(error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('extraEnvironment: must be a JSON object');
  for (const [name, content] of Object.entries(value))
    if (typeof content !== 'string') throw new Error(`extraEnvironment: ${name} must be a string`);
  return value as Record<string, string>;
}

function text(context: Context, name: string): string | undefined {
  const value = context(name);
  return value === undefined || value === '' ? undefined : String(value);
}

function list(context: Context, name: string, fallback: string): string[] {
  const value = context(name);
  const parts = Array.isArray(value) ? value.map(String) : String(value ?? fallback).split(',');
  return parts.map((part) => part.trim()).filter((part) => part !== '');
}

function flag(context: Context, name: string, fallback: boolean): boolean {
  const value = text(context, name) ?? String(fallback);
  if (value !== 'true' && value !== 'false') throw new Error(`${name}: true or false, not '${value}'`);
  return value === 'true';
}

function oneOf<Value extends string>(context: Context, name: string, values: readonly [Value, ...Value[]]): Value {
  const value = text(context, name) ?? values[0];
  if (!values.includes(value as Value)) throw new Error(`${name}: ${values.join(' or ')}, not '${value}'`);
  return value as Value;
}

function number(context: Context, name: string, fallback: number, least: number, most: number): number {
  const value = Number(text(context, name) ?? fallback);
  if (!(value >= least && value <= most)) throw new Error(`${name}: a number from ${least} to ${most}, not '${context(name)}'`);
  return value;
}
