import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import { FunctionUrl, FunctionUrlAuthType, InvokeMode } from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';

import { Functions } from './functions.ts';
import { GatewayLogging } from './gateway-logging.ts';
import { Rest } from './rest.ts';
import type { Settings } from './settings.ts';
import { Tables } from './tables.ts';
import { Watching } from './watching.ts';
import { WebSocket } from './websocket.ts';
import { Workflows } from './workflows.ts';

/** Tertulia on AWS: the tables, the two functions, and the fronts that the settings switch on. */
export class TertuliaStack extends Stack {
  constructor(scope: Construct, id: string, settings: Settings, props?: StackProps) {
    super(scope, id, { description: 'Tertulia, the conversation server', ...props });
    const tables = new Tables(this, settings);
    const functions = new Functions(this, settings, tables);
    const workflows = settings.workflows ? new Workflows(this, settings, functions.long) : undefined;
    const logging = settings.rest || settings.webSocket ? new GatewayLogging(this) : undefined;
    const rest = settings.rest ? new Rest(this, settings, functions, logging!, workflows) : undefined;

    if (rest) {
      new CfnOutput(this, 'RestUrl', { value: rest.api.url });
      new CfnOutput(this, 'RestApiKeyId', { value: rest.key.keyId, description: 'aws apigateway get-api-key --include-value --api-key ID' });
    }
    if (settings.functionUrl) {
      const url = new FunctionUrl(this, 'Url', {
        function: functions.long,
        authType: settings.functionUrlAuth === 'NONE' ? FunctionUrlAuthType.NONE : FunctionUrlAuthType.AWS_IAM,
        invokeMode: InvokeMode.RESPONSE_STREAM,
      });
      new CfnOutput(this, 'FunctionUrl', { value: url.url });
    }
    if (settings.webSocket) new CfnOutput(this, 'WebSocketUrl', { value: new WebSocket(this, settings, functions, logging!).stage.url });
    if (workflows) {
      new CfnOutput(this, 'AskSeveralArn', { value: workflows.machines.get('ask-several')!.stateMachineArn });
      new CfnOutput(this, 'DraftCritiqueFinalArn', { value: workflows.machines.get('draft-critique-final')!.stateMachineArn });
    }
    new Watching(this, settings, functions, tables, rest);
  }
}
