import { RemovalPolicy } from 'aws-cdk-lib';
import { Effect, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { Function } from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { DefinitionBody, LogLevel, StateMachine, StateMachineType } from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';

import { acknowledge } from './acknowledge.ts';
import { workflowFile } from './program.ts';
import type { Settings } from './settings.ts';

/** The workflows of deploy/workflows as synchronous (Express) state machines, by name. */
export class Workflows extends Construct {
  readonly machines: ReadonlyMap<string, StateMachine>;

  constructor(scope: Construct, settings: Settings, chat: Function) {
    super(scope, 'Workflows');
    this.machines = new Map([
      ['ask-several', this.machine('AskSeveral', 'ask-several', settings, chat)],
      ['draft-critique-final', this.machine('DraftCritiqueFinal', 'draft-critique-final', settings, chat)],
    ]);
  }

  private machine(id: string, name: string, settings: Settings, chat: Function): StateMachine {
    const machine = new StateMachine(this, id, {
      stateMachineType: StateMachineType.EXPRESS,
      definitionBody: DefinitionBody.fromFile(workflowFile(name)),
      definitionSubstitutions: { ChatFunction: chat.functionArn, Models: settings.models.join(',') },
      tracingEnabled: true,
      logs: {
        // Every step is logged, but not what was said in it.
        destination: new LogGroup(this, `${id}Logs`, {
          logGroupName: `/aws/vendedlogs/states/tertulia-${name}`,
          retention: settings.logDays,
          removalPolicy: RemovalPolicy.DESTROY,
        }),
        level: LogLevel.ALL,
        includeExecutionData: false,
      },
    });
    machine.addToRolePolicy(new PolicyStatement({ effect: Effect.ALLOW, actions: ['lambda:InvokeFunction'], resources: [chat.functionArn] }));
    acknowledge(machine, 'Log delivery and X-Ray know no resources to name; CDK writes these statements.', 'IAM5[Resource::*]');
    return machine;
  }
}
