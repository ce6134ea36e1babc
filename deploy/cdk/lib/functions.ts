import { Annotations, ArnFormat, Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { Effect, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Architecture, Code, Function, type FunctionOptions, LoggingFormat, Runtime } from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';

import { acknowledge } from './acknowledge.ts';
import { bedrockStatements } from './bedrock.ts';
import { findProgram } from './program.ts';
import type { KeyReference, Settings } from './settings.ts';
import type { Tables } from './tables.ts';

/**
 * Two functions of one zip. `chat` answers whole, within 30 s. `chat-long` streams and has 15 minutes: behind the fronts that stream,
 * for workflows, and as the worker to which `chat` hands what may take longer (turns of WebSockets, and those near 29 s).
 */
export class Functions extends Construct {
  readonly chat: Function;
  readonly long: Function;

  constructor(scope: Construct, settings: Settings, tables: Tables) {
    super(scope, 'Functions');
    const program = findProgram(settings.architecture, settings.placeholder);
    if (program.isPlaceholder)
      Annotations.of(this).addWarningV2('tertulia:placeholder', 'There is no build/lambda zip (./dev lambda makes it): the functions of this template are placeholders that only fail.');
    for (const name of Object.keys(settings.extraEnvironment))
      if (/_API_KEY$|_TOKEN$/.test(name)) Annotations.of(this).addWarningV2(`tertulia:plain:${name}`, `extraEnvironment: ${name} stands in the template for all to read; a secret or parameter does not.`);
    const code = Code.fromAsset(program.path);

    this.long = this.make('Long', 'chat-long', { timeout: Duration.minutes(15), reservedConcurrentExecutions: settings.reservedConcurrency }, { TERTULIA_LAMBDA_RESPONSE: 'streaming' }, code, settings, tables);
    // A turn is never run twice by the platform: who asked for it decides.
    this.long.configureAsyncInvoke({ retryAttempts: 0, maxEventAge: Duration.minutes(1) });
    this.chat = this.make('Chat', 'chat', { timeout: Duration.seconds(30) }, { TERTULIA_LAMBDA_RESPONSE: 'buffered', TERTULIA_LAMBDA_SELF_INVOKE: 'chat-long' }, code, settings, tables);
    this.chat.addToRolePolicy(new PolicyStatement({ effect: Effect.ALLOW, actions: ['lambda:InvokeFunction'], resources: [this.long.functionArn] }));
  }

  get both(): readonly Function[] {
    return [this.chat, this.long];
  }

  private make(id: string, functionName: string, limits: FunctionOptions, environment: Record<string, string>, code: Code, settings: Settings, tables: Tables): Function {
    const logGroup = new LogGroup(this, `${id}Logs`, { retention: settings.logDays, removalPolicy: RemovalPolicy.DESTROY });
    const role = new Role(this, `${id}Role`, { assumedBy: new ServicePrincipal('lambda.amazonaws.com'), description: `What the function ${functionName} may do` });
    logGroup.grantWrite(role);
    tables.grant(role);
    for (const statement of bedrockStatements(settings.bedrockModels)) role.addToPolicy(statement);
    for (const key of settings.keys) role.addToPolicy(keyStatement(key, this));

    const made = new Function(this, id, {
      functionName,
      description: 'Tertulia, the conversation server',
      runtime: Runtime.PROVIDED_AL2023,
      architecture: settings.architecture === 'arm64' ? Architecture.ARM_64 : Architecture.X86_64,
      handler: 'bootstrap',
      code,
      memorySize: settings.memoryMb,
      ...limits,
      role,
      logGroup,
      loggingFormat: LoggingFormat.JSON,
      environment: {
        CHAT_SESSIONS_TABLE_NAME: tables.sessions.tableName,
        CHAT_META_TABLE_NAME: tables.meta.tableName,
        TERTULIA_STORE: 'dynamodb:',
        TERTULIA_MODEL: settings.models[0],
        ...(settings.webSocket ? { TERTULIA_LAMBDA_WEBSOCKET: 'true' } : {}),
        ...Object.fromEntries(settings.keys.map(({ provider, kind, name }) => [`${provider}_API_KEY_${kind.toUpperCase()}`, name])),
        ...environment,
        ...settings.extraEnvironment,
      },
    });
    const findings = wildcards(settings, this);
    if (findings.length > 0) acknowledge(role, 'A cross-region inference profile carries a call out in any of its regions; the condition binds these to calls through the profile.', ...findings);
    return made;
  }
}

/** The findings on the models behind inference profiles, in the form in which cdk-nag names them. */
function wildcards(settings: Settings, scope: Construct): string[] {
  const resources = bedrockStatements(settings.bedrockModels).flatMap((statement) => Stack.of(scope).resolve(statement.resources) as string[]);
  return resources
    .map((resource) => flat(resource))
    .filter((resource) => resource.includes('*'))
    .map((resource) => `IAM5[Resource::${resource}]`);
}

/** A resolved ARN as text: pseudo parameters as `<Name>`. */
function flat(value: unknown): string {
  if (typeof value === 'string') return value;
  const join = (value as { 'Fn::Join'?: [string, unknown[]] })['Fn::Join'];
  if (join) return join[1].map(flat).join(join[0]);
  return `<${(value as { Ref: string }).Ref}>`;
}

/** Leave to read this key, and no other: by its ARN, or by its name (to which Secrets Manager adds six characters). */
function keyStatement({ kind, name }: KeyReference, scope: Construct): PolicyStatement {
  const stack = Stack.of(scope);
  if (kind === 'parameter') {
    const arn = name.startsWith('arn:') ? name : stack.formatArn({ service: 'ssm', resource: 'parameter', resourceName: name.replace(/^\//, '') });
    return new PolicyStatement({ effect: Effect.ALLOW, actions: ['ssm:GetParameter'], resources: [arn] });
  }
  const arn = name.startsWith('arn:') ? name : stack.formatArn({ service: 'secretsmanager', resource: 'secret', arnFormat: ArnFormat.COLON_RESOURCE_NAME, resourceName: `${name}-??????` });
  return new PolicyStatement({ effect: Effect.ALLOW, actions: ['secretsmanager:GetSecretValue'], resources: [arn] });
}
