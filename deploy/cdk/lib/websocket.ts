import { RemovalPolicy } from 'aws-cdk-lib';
import { AccessLogFormat } from 'aws-cdk-lib/aws-apigateway';
import { LogGroupLogDestination, WebSocketApi, WebSocketStage } from 'aws-cdk-lib/aws-apigatewayv2';
import { WebSocketIamAuthorizer } from 'aws-cdk-lib/aws-apigatewayv2-authorizers';
import { WebSocketLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';

import { acknowledge } from './acknowledge.ts';
import type { Functions } from './functions.ts';
import type { GatewayLogging } from './gateway-logging.ts';
import type { Settings } from './settings.ts';

/** The WebSocket API: the same frames as /ws. The functions post what their turns say through @connections. */
export class WebSocket extends Construct {
  readonly stage: WebSocketStage;

  constructor(scope: Construct, settings: Settings, functions: Functions, logging: GatewayLogging) {
    super(scope, 'WebSocket');
    const integration = (name: string) => new WebSocketLambdaIntegration(name, functions.chat);
    const api = new WebSocketApi(this, 'Api', {
      apiName: 'tertulia-ws',
      description: 'Tertulia: turns over a WebSocket',
      routeSelectionExpression: '$request.body.type',
      connectRouteOptions: {
        integration: integration('Connect'),
        ...(settings.webSocketAuth === 'AWS_IAM' && { authorizer: new WebSocketIamAuthorizer() }),
      },
      disconnectRouteOptions: { integration: integration('Disconnect') },
      defaultRouteOptions: { integration: integration('Message') },
    });
    this.stage = new WebSocketStage(this, 'Stage', {
      webSocketApi: api,
      stageName: 'v1',
      autoDeploy: true,
      throttle: { rateLimit: settings.requestsPerSecond, burstLimit: 2 * settings.requestsPerSecond },
      detailedMetricsEnabled: true,
      accessLogSettings: {
        destination: new LogGroupLogDestination(new LogGroup(this, 'Log', { retention: settings.logDays, removalPolicy: RemovalPolicy.DESTROY })),
        format: AccessLogFormat.custom(
          '{"request_id":"$context.requestId","ip":"$context.identity.sourceIp","time":"$context.requestTime","route":"$context.routeKey","status":"$context.status","connection":"$context.connectionId"}',
        ),
      },
    });
    this.stage.node.addDependency(logging);
    for (const fn of functions.both) {
      this.stage.grantManagementApiAccess(fn);
      acknowledge(fn.role!, 'A connection has no name before it is there: the functions post to those of this one API.', `IAM5[Resource::arn:<AWS::Partition>:execute-api:<AWS::Region>:<AWS::AccountId>:<${(this.stage.stack.resolve(api.apiId) as { Ref: string }).Ref}>/v1/*/@connections/*]`);
    }
    acknowledge(
      api,
      settings.webSocketAuth === 'AWS_IAM'
        ? 'Only $connect can have an authorizer, and it has AWS_IAM; the other routes are of connections that it let in.'
        : 'Switched off by webSocketAuth=NONE, for a stack that has something of its own in front.',
      'APIG4',
    );
  }
}
