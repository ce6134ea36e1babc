import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { App, Validations } from 'aws-cdk-lib';
import { Annotations, Match, Template } from 'aws-cdk-lib/assertions';
import { AwsSolutionsChecks } from 'cdk-nag';

import { readSettings } from '../lib/settings.ts';
import { TertuliaStack } from '../lib/stack.ts';

/** The tests look at templates, and need no program for them. */
const settings = (context: Record<string, unknown>) => readSettings((name) => ({ placeholder: 'true', ...context })[name]);

function synthesise(context: Record<string, unknown> = {}) {
  const app = new App();
  const stack = new TertuliaStack(app, 'Tertulia', settings(context));
  return { app, stack, template: Template.fromStack(stack) };
}

/** The statements of all policies of a role (by a part of its logical id). */
const statements = (template: Template, role: string): any[] =>
  Object.values(template.findResources('AWS::IAM::Policy'))
    .filter((policy: any) => policy.Properties.Roles.some((one: any) => one.Ref?.includes(role)))
    .flatMap((policy: any) => policy.Properties.PolicyDocument.Statement);
const list = (value: unknown): any[] => (Array.isArray(value) ? value : [value]);
const flat = (value: any): string => (typeof value === 'string' ? value : value['Fn::Join'] ? value['Fn::Join'][1].map(flat).join('') : `<${value.Ref ?? value['Fn::GetAtt'].join('.')}>`);
const environment = (template: Template, name: string): Record<string, any> =>
  (Object.values(template.findResources('AWS::Lambda::Function', { Properties: { FunctionName: name } }))[0] as any).Properties.Environment.Variables;

describe('the stack as it is', () => {
  let template: Template;
  before(() => ({ template } = synthesise()));

  test('the tables are on demand, encrypted, can be restored, forget by ttl, and stay', () => {
    for (const [name, partition, sort] of [['chat_sessions', 'session_id', 'timestamp'], ['chat_meta', 'pk', 'sk']])
      template.hasResource('AWS::DynamoDB::GlobalTable', {
        DeletionPolicy: 'Retain',
        Properties: {
          TableName: name,
          BillingMode: 'PAY_PER_REQUEST',
          KeySchema: [{ AttributeName: partition, KeyType: 'HASH' }, { AttributeName: sort, KeyType: 'RANGE' }],
          AttributeDefinitions: [{ AttributeName: partition, AttributeType: 'S' }, { AttributeName: sort, AttributeType: 'S' }],
          SSESpecification: { SSEEnabled: true, SSEType: 'KMS' },
          TimeToLiveSpecification: { AttributeName: 'ttl', Enabled: true },
          Replicas: [Match.objectLike({ PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true }, DeletionProtectionEnabled: true })],
        },
      });
  });

  test('two functions of one zip: chat, and chat-long, which streams and works off what chat hands it', () => {
    const functions = Object.values(template.findResources('AWS::Lambda::Function')).map((one: any) => one.Properties);
    assert.deepEqual(functions.map((one) => [one.FunctionName, one.MemorySize, one.Timeout]).sort(), [['chat', 512, 30], ['chat-long', 512, 900]]);
    assert.deepEqual(functions[0].Code, functions[1].Code);
    for (const one of functions) {
      assert.deepEqual(one.Architectures, ['arm64']);
      assert.equal(one.Runtime, 'provided.al2023');
      assert.equal(one.LoggingConfig.LogFormat, 'JSON');
      assert.equal(one.Environment.Variables.TERTULIA_STORE, 'dynamodb:');
      assert.ok(one.Environment.Variables.CHAT_SESSIONS_TABLE_NAME.Ref && one.Environment.Variables.CHAT_META_TABLE_NAME.Ref);
    }
    assert.equal(environment(template, 'chat').TERTULIA_LAMBDA_RESPONSE, 'buffered');
    assert.equal(environment(template, 'chat').TERTULIA_LAMBDA_SELF_INVOKE, 'chat-long');
    assert.equal(environment(template, 'chat-long').TERTULIA_LAMBDA_RESPONSE, 'streaming');
    assert.equal(environment(template, 'chat-long').TERTULIA_LAMBDA_SELF_INVOKE, undefined);
    for (const name of ['chat', 'chat-long']) assert.equal(environment(template, name).TERTULIA_LAMBDA_WEBSOCKET, 'true');
    template.hasResourceProperties('AWS::Lambda::EventInvokeConfig', { MaximumRetryAttempts: 0, FunctionName: { Ref: Match.stringLikeRegexp('FunctionsLong') } });
  });

  test('chat may call chat-long and nothing else; chat-long nobody', () => {
    const invoke = (role: string) => statements(template, role).filter(({ Action }) => list(Action).includes('lambda:InvokeFunction'));
    assert.deepEqual(invoke('ChatRole').map(({ Resource }) => Resource['Fn::GetAtt'][0].replace(/[0-9A-F]{8}$/, '')), ['FunctionsLong']);
    assert.deepEqual(invoke('LongRole'), []);
  });

  test('the functions may do on the tables what the store does, on these alone', () => {
    for (const role of ['ChatRole', 'LongRole']) {
      const onTables = statements(template, role).filter(({ Action }) => list(Action).some((action) => action.startsWith('dynamodb:')));
      assert.deepEqual([...new Set(onTables.flatMap(({ Action }) => list(Action)))].sort(), ['BatchWriteItem', 'ConditionCheckItem', 'DeleteItem', 'GetItem', 'PutItem', 'Query', 'UpdateItem'].map((one) => `dynamodb:${one}`));
      assert.deepEqual([...new Set(onTables.flatMap(({ Resource }) => list(Resource)).map((one) => one['Fn::GetAtt'][0].replace(/[0-9A-F]{8}$/, '')))].sort(), ['TablesMeta', 'TablesSessions']);
    }
  });

  test('no statement of a function allows all actions or all resources', () => {
    for (const role of ['ChatRole', 'LongRole'])
      for (const { Action, Resource } of statements(template, role)) {
        assert.ok(list(Action).every((action) => !action.includes('*')), JSON.stringify(Action));
        assert.ok(list(Resource).every((resource) => resource !== '*'));
      }
  });

  test('Bedrock: the profiles, and the models behind them only through them', () => {
    const bedrock = statements(template, 'ChatRole').filter(({ Action }) => list(Action).includes('bedrock:InvokeModel'));
    for (const { Action } of bedrock) assert.deepEqual(Action, ['bedrock:InvokeModel', 'bedrock:InvokeModelWithResponseStream']);
    for (const { Resource, Condition } of bedrock)
      for (const arn of list(Resource).map(flat))
        if (arn.includes('foundation-model')) assert.match(flat(Condition.StringLike['bedrock:InferenceProfileArn']), /inference-profile\/global\.anthropic/);
        else assert.match(arn, /^arn:<AWS::Partition>:bedrock:<AWS::Region>:<AWS::AccountId>:inference-profile\/global\.anthropic\./);
  });

  test('REST streams, through chat-long, and only with an API key of the usage plan', () => {
    const methods = Object.values(template.findResources('AWS::ApiGateway::Method')).map((one: any) => one.Properties);
    assert.equal(methods.length, 4);
    assert.ok(methods.every((method) => method.ApiKeyRequired));
    const proxies = methods.filter((method) => method.HttpMethod === 'ANY');
    assert.equal(proxies.length, 2, 'the root and everything below');
    for (const { Integration } of proxies) {
      assert.equal(Integration.Type, 'AWS_PROXY');
      assert.equal(Integration.ResponseTransferMode, 'STREAM');
      assert.equal(Integration.TimeoutInMillis, 900_000);
      assert.match(flat(Integration.Uri), /:lambda:path\/2021-11-15\/functions\/<FunctionsLong\w+\.Arn>\/response-streaming-invocations$/);
    }
    template.hasResourceProperties('AWS::ApiGateway::UsagePlan', { Throttle: { RateLimit: 20, BurstLimit: 40 }, Quota: { Limit: 20000, Period: 'DAY' } });
    template.resourceCountIs('AWS::ApiGateway::UsagePlanKey', 1);
    template.hasResourceProperties('AWS::ApiGateway::Stage', {
      AccessLogSetting: Match.objectLike({ Format: Match.stringLikeRegexp('requestId') }),
      MethodSettings: [Match.objectLike({ DataTraceEnabled: false, LoggingLevel: 'ERROR', ThrottlingRateLimit: 20, ThrottlingBurstLimit: 40 })],
    });
  });

  test('POST /workflows/{name} starts its workflow, checked by a model', () => {
    const posts = Object.values(template.findResources('AWS::ApiGateway::Method', { Properties: { HttpMethod: 'POST' } })).map((one: any) => one.Properties);
    assert.equal(posts.length, 2);
    for (const { Integration, RequestModels, RequestValidatorId } of posts) {
      assert.match(flat(Integration.Uri), /:states:action\/StartSyncExecution$/);
      assert.match(flat(Integration.RequestTemplates['application/json']), /^\{"stateMachineArn":"<Workflows/);
      assert.equal(Integration.PassthroughBehavior, 'NEVER');
      assert.ok(RequestModels && RequestValidatorId);
    }
    const start = statements(template, 'WorkflowRole');
    assert.deepEqual([...new Set(start.flatMap(({ Action }) => list(Action)))], ['states:StartSyncExecution']);
  });

  test('what API Gateway refuses has the form of our errors', () => {
    const refusals = Object.values(template.findResources('AWS::ApiGateway::GatewayResponse')).map((one: any) => one.Properties);
    assert.ok(refusals.length >= 8);
    for (const { ResponseTemplates, StatusCode } of refusals) {
      // $context.error.messageString is a JSON string with its quotes, all else stands within quotes of ours.
      const body = JSON.parse(ResponseTemplates['application/json'].replace('$context.error.messageString', '"Rate exceeded"'));
      assert.deepEqual(Object.keys(body), ['error', 'message', 'code', 'request_id']);
      assert.match(StatusCode, /^[45]\d\d$/);
    }
  });

  test('the workflows are synchronous, ask chat-long alone, and do not log what is said', () => {
    const machines = Object.values(template.findResources('AWS::StepFunctions::StateMachine')).map((one: any) => one.Properties);
    assert.equal(machines.length, 2);
    for (const machine of machines) {
      assert.equal(machine.StateMachineType, 'EXPRESS');
      assert.match(machine.DefinitionSubstitutions.ChatFunction['Fn::GetAtt'][0], /^FunctionsLong/);
      assert.match(machine.DefinitionSubstitutions.Models, /^bedrock\/[^,]+,bedrock\//);
      assert.equal(machine.LoggingConfiguration.IncludeExecutionData, false);
    }
  });

  test('the Function URL streams and asks for signed requests', () => {
    template.hasResourceProperties('AWS::Lambda::Url', { AuthType: 'AWS_IAM', InvokeMode: 'RESPONSE_STREAM', TargetFunctionArn: { 'Fn::GetAtt': [Match.stringLikeRegexp('FunctionsLong'), 'Arn'] } });
  });

  test('the WebSocket lets signed connections in, and both functions may post to them', () => {
    const routes = Object.values(template.findResources('AWS::ApiGatewayV2::Route')).map((one: any) => one.Properties);
    assert.deepEqual(routes.map((route) => [route.RouteKey, route.AuthorizationType]).sort(), [['$connect', 'AWS_IAM'], ['$default', 'NONE'], ['$disconnect', 'NONE']]);
    for (const role of ['ChatRole', 'LongRole']) {
      const post = statements(template, role).filter(({ Action }) => list(Action).includes('execute-api:ManageConnections'));
      assert.match(flat(post[0].Resource), /:<WebSocketApi\w+>\/v1\/\*\/@connections\/\*$/);
    }
    template.hasResourceProperties('AWS::ApiGatewayV2::Stage', { DefaultRouteSettings: Match.objectLike({ ThrottlingRateLimit: 20, ThrottlingBurstLimit: 40 }) });
  });

  test('alarms say when turns are slow, fail or cost; the dashboard shows what they look at', () => {
    const alarms = Object.values(template.findResources('AWS::CloudWatch::Alarm')).map((one: any) => one.Properties);
    assert.ok(alarms.every((alarm) => alarm.TreatMissingData === 'notBreaching' && alarm.AlarmDescription));
    const names = alarms.filter((alarm) => alarm.Namespace === 'Tertulia').map((alarm) => alarm.MetricName).sort();
    assert.deepEqual(names, ['CostUSD', 'Errors', 'TimeToFirstToken', 'TurnLatency']);
    const dashboard = flat((Object.values(template.findResources('AWS::CloudWatch::Dashboard'))[0] as any).Properties.DashboardBody);
    for (const metric of ['TurnLatency', 'TimeToFirstToken', 'Turns', 'Errors', 'InputTokens', 'OutputTokens', 'CacheReadTokens', 'CacheWriteTokens', 'CostUSD']) assert.ok(dashboard.includes(`"${metric}"`), metric);
    template.resourceCountIs('AWS::SNS::Topic', 0);
  });

  test('what a caller needs is told', () => {
    assert.deepEqual(Object.keys(template.findOutputs('*')).sort(), ['AskSeveralArn', 'DraftCritiqueFinalArn', 'FunctionUrl', 'RestApiKeyId', 'RestUrl', 'WebSocketUrl']);
  });

  test('logs end some day', () => {
    for (const log of Object.values(template.findResources('AWS::Logs::LogGroup'))) assert.equal((log as any).Properties.RetentionInDays, 30);
  });
});

describe('switches', () => {
  test('REST without streaming is whole answers of chat within 29 s', () => {
    const { template } = synthesise({ restStreaming: 'false' });
    for (const { Properties } of Object.values(template.findResources('AWS::ApiGateway::Method', { Properties: { HttpMethod: 'ANY' } })) as any[]) {
      assert.equal(Properties.Integration.ResponseTransferMode, undefined);
      assert.equal(Properties.Integration.TimeoutInMillis, 29_000);
      assert.match(flat(Properties.Integration.Uri), /:lambda:path\/2015-03-31\/functions\/<FunctionsChat\w+\.Arn>\/invocations$/);
    }
  });

  test('what is switched off is not there', () => {
    const { template } = synthesise({ rest: 'false', functionUrl: 'false', webSocket: 'false', workflows: 'false' });
    assert.equal(environment(template, 'chat').TERTULIA_LAMBDA_WEBSOCKET, undefined);
    for (const type of ['AWS::ApiGateway::RestApi', 'AWS::Lambda::Url', 'AWS::ApiGatewayV2::Api', 'AWS::StepFunctions::StateMachine']) template.resourceCountIs(type, 0);
    template.resourceCountIs('AWS::Lambda::Function', 2);
    assert.deepEqual(template.findOutputs('*'), {});
  });

  test('both gateways can log in an account that never had one, each without the other', () => {
    for (const [off, type] of [['rest', 'AWS::ApiGatewayV2::Stage'], ['webSocket', 'AWS::ApiGateway::Stage']]) {
      const { template } = synthesise({ [off]: 'false' });
      template.hasResource('AWS::ApiGateway::Account', { DeletionPolicy: 'Retain' });
      template.hasResource(type, { DependsOn: Match.arrayWith([Match.stringLikeRegexp('GatewayLoggingAccount')]) });
    }
  });

  test('what chat-long does at once is bounded where asked for, which bounds the Function URL', () => {
    const reserved = ({ template }: { template: Template }) =>
      Object.values(template.findResources('AWS::Lambda::Function')).map(({ Properties }: any) => [Properties.FunctionName, Properties.ReservedConcurrentExecutions]).sort();
    assert.deepEqual(reserved(synthesise({ reservedConcurrency: '7' })), [['chat', undefined], ['chat-long', 7]]);
    assert.deepEqual(reserved(synthesise()), [['chat', undefined], ['chat-long', undefined]]);
  });

  test('open fronts are open only where asked for', () => {
    const { template } = synthesise({ functionUrlAuth: 'NONE', webSocketAuth: 'NONE' });
    template.hasResourceProperties('AWS::Lambda::Url', { AuthType: 'NONE' });
    for (const action of ['lambda:InvokeFunctionUrl', 'lambda:InvokeFunction']) template.hasResourceProperties('AWS::Lambda::Permission', { Action: action, Principal: '*' });
    template.allResourcesProperties('AWS::ApiGatewayV2::Route', { AuthorizationType: 'NONE' });
  });

  test('keys go in by name, and each function may read just these', () => {
    const { template } = synthesise({ models: 'anthropic/claude-x,openai/gpt-x', anthropicSecret: 'tertulia/anthropic', openaiParameter: '/tertulia/openai' });
    for (const [name, role] of [['chat', 'ChatRole'], ['chat-long', 'LongRole']]) {
      assert.equal(environment(template, name).ANTHROPIC_API_KEY_SECRET, 'tertulia/anthropic');
      assert.equal(environment(template, name).OPENAI_API_KEY_PARAMETER, '/tertulia/openai');
      assert.equal(environment(template, name).TERTULIA_MODEL, 'anthropic/claude-x');
      const of = (action: string) => statements(template, role).filter(({ Action }) => Action === action).map(({ Resource }) => flat(Resource));
      assert.deepEqual(of('secretsmanager:GetSecretValue'), ['arn:<AWS::Partition>:secretsmanager:<AWS::Region>:<AWS::AccountId>:secret:tertulia/anthropic-??????']);
      assert.deepEqual(of('ssm:GetParameter'), ['arn:<AWS::Partition>:ssm:<AWS::Region>:<AWS::AccountId>:parameter/tertulia/openai']);
      assert.deepEqual(statements(template, role).filter(({ Action }) => list(Action).some((one) => one.startsWith('bedrock:'))), [], 'no model of Bedrock was named');
    }
  });

  test('a key in the plain environment is warned of', () => {
    const { stack } = synthesise({ extraEnvironment: { ANTHROPIC_API_KEY: 'x' } });
    Annotations.fromStack(stack).hasWarning('*', Match.stringLikeRegexp('ANTHROPIC_API_KEY'));
    Annotations.fromStack(synthesise({ extraEnvironment: { ANTHROPIC_BASE_URL: 'x' } }).stack).hasNoWarning('*', Match.stringLikeRegexp('ANTHROPIC'));
  });

  test('the rest: x86_64, disposable tables, an address for alarms, more environment', () => {
    const { template } = synthesise({ architecture: 'x86_64', disposable: 'true', alarmEmail: 'ops@example.org', extraEnvironment: '{"TERTULIA_LOG_LEVEL": "debug"}' });
    template.allResourcesProperties('AWS::Lambda::Function', { Architectures: ['x86_64'], Environment: { Variables: Match.objectLike({ TERTULIA_LOG_LEVEL: 'debug' }) } });
    template.allResources('AWS::DynamoDB::GlobalTable', { DeletionPolicy: 'Delete' });
    template.hasResourceProperties('AWS::SNS::Subscription', { Protocol: 'email', Endpoint: 'ops@example.org' });
    template.allResourcesProperties('AWS::CloudWatch::Alarm', { AlarmActions: [Match.anyValue()] });
    template.hasResourceProperties('AWS::SNS::TopicPolicy', {
      PolicyDocument: { Statement: Match.arrayWith([Match.objectLike({ Effect: 'Allow', Action: 'sns:Publish', Principal: { Service: 'cloudwatch.amazonaws.com' } })]) },
    });
  });

  for (const [prefix, regions] of [['us', 'us-*'], ['eu', 'eu-*'], ['global', '*']])
    test(`a profile of ${prefix} may be carried out in ${regions}`, () => {
      const { template } = synthesise({ models: `bedrock/${prefix}.vendor.model-v1:0` });
      const arns = statements(template, 'ChatRole').filter(({ Action }) => list(Action).includes('bedrock:InvokeModel')).flatMap(({ Resource }) => list(Resource).map(flat));
      assert.deepEqual(arns, [`arn:<AWS::Partition>:bedrock:<AWS::Region>:<AWS::AccountId>:inference-profile/${prefix}.vendor.model-v1:0`, `arn:<AWS::Partition>:bedrock:${regions}::foundation-model/vendor.model-v1:0`]);
    });

  test('a model of this region, and one named by its ARN', () => {
    const { template } = synthesise({ models: 'bedrock/amazon.nova-lite-v1:0', bedrockModels: 'amazon.nova-lite-v1:0,arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/x' });
    const arns = statements(template, 'LongRole').filter(({ Action }) => list(Action).includes('bedrock:InvokeModel')).flatMap(({ Resource }) => list(Resource).map(flat));
    assert.deepEqual(arns, ['arn:<AWS::Partition>:bedrock:<AWS::Region>::foundation-model/amazon.nova-lite-v1:0', 'arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/x']);
  });
});

describe('cdk-nag', () => {
  const variants: Record<string, Record<string, unknown>> = {
    'as it is': {},
    'open, with keys and e-mail': {
      restStreaming: 'false', functionUrlAuth: 'NONE', webSocketAuth: 'NONE', alarmEmail: 'ops@example.org', models: 'anthropic/a,openai/b,bedrock/us.vendor.model',
      anthropicSecret: 'a', openaiParameter: 'b', bedrockModels: 'us.vendor.model,arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/x',
    },
    'bare': { rest: 'false', functionUrl: 'false', webSocket: 'false', workflows: 'false', disposable: 'true' },
  };
  for (const [name, context] of Object.entries(variants))
    test(`finds nothing that is not acknowledged: ${name}`, () => {
      const app = new App();
      new TertuliaStack(app, 'Tertulia', settings(context));
      Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
      const report = JSON.parse(readFileSync(join(app.synth().directory, 'validation-report.json'), 'utf8'));
      assert.deepEqual(report.pluginReports, []);
    });
});
