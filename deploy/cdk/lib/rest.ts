import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import {
  AccessLogFormat, ApiKey, AwsIntegration, EndpointType, IntegrationResponse, JsonSchemaType, JsonSchemaVersion,
  LambdaIntegration, LogGroupLogDestination, MethodLoggingLevel, Model, PassthroughBehavior, Period, RequestValidator, ResponseTransferMode,
  RestApi,
} from 'aws-cdk-lib/aws-apigateway';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';

import { acknowledge } from './acknowledge.ts';
import type { Functions } from './functions.ts';
import type { GatewayLogging } from './gateway-logging.ts';
import { ANSWER_TEMPLATE, startTemplate, UNAVAILABLE_TEMPLATE } from './mapping.ts';
import { addRefusals } from './refusals.ts';
import type { Settings } from './settings.ts';
import type { Workflows } from './workflows.ts';

/** The REST API: every path goes to the program, POST /workflows/{name} to Step Functions. Callers need an API key. */
export class Rest extends Construct {
  readonly api: RestApi;
  readonly key: ApiKey;

  constructor(scope: Construct, settings: Settings, functions: Functions, logging: GatewayLogging, workflows?: Workflows) {
    super(scope, 'Rest');
    const log = new LogGroup(this, 'Log', { retention: settings.logDays, removalPolicy: RemovalPolicy.DESTROY });
    this.api = new RestApi(this, 'Api', {
      restApiName: 'tertulia',
      description: settings.restStreaming ? 'Tertulia: answers come as they are made' : 'Tertulia: answers come whole, within 29 s',
      endpointTypes: [EndpointType.REGIONAL],
      cloudWatchRole: false,
      deployOptions: {
        stageName: 'v1',
        throttlingRateLimit: settings.requestsPerSecond,
        throttlingBurstLimit: 2 * settings.requestsPerSecond,
        loggingLevel: MethodLoggingLevel.ERROR,
        dataTraceEnabled: false, // would log what is said
        metricsEnabled: true,
        accessLogDestination: new LogGroupLogDestination(log),
        accessLogFormat: AccessLogFormat.jsonWithStandardFields(),
      },
    });
    this.api.node.tryRemoveChild('Endpoint'); // the stack has outputs with names of its own
    this.api.deploymentStage.node.addDependency(logging);
    acknowledge(this.api, 'The program checks every body itself and answers in the form of its errors; POST /workflows has a model.', 'APIG2');
    acknowledge(this.api.deploymentStage, 'A web application firewall costs more by the month than a small stack; attach one where the API is public.', 'APIG3');
    acknowledge(this.api, 'Callers are machines of the owner, told apart by API keys with a usage plan.', 'APIG4', 'COG4');

    const program = settings.restStreaming
      ? new LambdaIntegration(functions.long, { responseTransferMode: ResponseTransferMode.STREAM, timeout: Duration.minutes(15) })
      : new LambdaIntegration(functions.chat, { timeout: Duration.seconds(29) });
    this.api.root.addMethod('ANY', program, { apiKeyRequired: true });
    this.api.root.addResource('{proxy+}').addMethod('ANY', program, { apiKeyRequired: true });
    addRefusals(this.api);
    if (workflows) this.addWorkflows(workflows, settings);

    this.key = this.addUsagePlan(settings);
  }

  private addWorkflows(workflows: Workflows, settings: Settings): void {
    const parent = this.api.root.addResource('workflows');
    const role = new Role(this, 'WorkflowRole', { assumedBy: new ServicePrincipal('apigateway.amazonaws.com'), description: 'Starts the workflows of Tertulia' });
    const validator = new RequestValidator(this, 'Validator', { restApi: this.api, validateRequestBody: true });
    const model = new Model(this, 'WorkflowRequest', {
      restApi: this.api,
      contentType: 'application/json',
      schema: {
        schema: JsonSchemaVersion.DRAFT4,
        type: JsonSchemaType.OBJECT,
        required: ['session_id', 'message'],
        additionalProperties: false,
        properties: {
          session_id: { type: JsonSchemaType.STRING, minLength: 1, maxLength: 128, pattern: '^[A-Za-z0-9._:-]+$' },
          message: { type: JsonSchemaType.STRING, minLength: 1 },
          models: { type: JsonSchemaType.ARRAY, minItems: 1, maxItems: 8, items: { type: JsonSchemaType.STRING, minLength: 3, maxLength: 256 } },
        },
      },
    });
    for (const [name, machine] of workflows.machines) {
      machine.grantStartSyncExecution(role);
      const responses: IntegrationResponse[] = [
        { statusCode: '200', responseTemplates: { 'application/json': ANSWER_TEMPLATE } },
        { statusCode: '503', selectionPattern: '[45]\\d{2}', responseTemplates: { 'application/json': UNAVAILABLE_TEMPLATE } },
      ];
      const start = new AwsIntegration({
        service: 'states',
        action: 'StartSyncExecution',
        options: {
          credentialsRole: role,
          passthroughBehavior: PassthroughBehavior.NEVER,
          requestTemplates: { 'application/json': startTemplate(machine.stateMachineArn) },
          integrationResponses: responses,
          timeout: Duration.seconds(settings.workflowSeconds),
        },
      });
      parent.addResource(name).addMethod('POST', start, {
        apiKeyRequired: true,
        requestValidator: validator,
        requestModels: { 'application/json': model },
        methodResponses: ['200', '500', '503', '504'].map((statusCode) => ({ statusCode })),
      });
    }
  }

  private addUsagePlan(settings: Settings): ApiKey {
    const key = new ApiKey(this, 'Key', { description: 'Callers of the REST API of Tertulia' });
    const plan = this.api.addUsagePlan('Plan', {
      throttle: { rateLimit: settings.requestsPerSecond, burstLimit: 2 * settings.requestsPerSecond },
      quota: { limit: settings.requestsPerDay, period: Period.DAY },
      apiStages: [{ stage: this.api.deploymentStage }],
    });
    plan.addApiKey(key);
    return key;
  }
}
