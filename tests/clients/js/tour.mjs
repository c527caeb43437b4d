// One operation of Azure's JavaScript clients: `node tour.mjs ARM_ADDRESS SUBSCRIPTION_ID CLIENT_ID OPERATION [JSON ...]`.
// Operations are those of `operations` below. Prints one JSON value. Nothing of the clients is changed: they are given an
// address and a credential.
//
// @azure/arm-policy 5.1.0 is the last that has exemptions. The current one has assignments and definitions only;
// @azure/arm-resources reaches every resource by its id, in any api-version.
import { PolicyClient } from "@azure/arm-policy";
import { ResourceManagementClient } from "@azure/arm-resources";
import { ManagedIdentityCredential } from "@azure/identity";
import { PolicyClient as PolicyClient5 } from "arm-policy-5";

const [endpoint, subscriptionId, clientId, operation, ...given] = process.argv.slice(2);
const credential = new ManagedIdentityCredential({ clientId });
const scopes = ["https://management.azure.com/.default"];
const { policyExemptions } = new PolicyClient5(credential, subscriptionId, { endpoint, credentialScopes: scopes });
const current = { endpoint, credentials: { scopes } };
const { policyAssignments } = new PolicyClient(credential, subscriptionId, current);
const { providers, resources } = new ResourceManagementClient(credential, subscriptionId, current);

async function ids(pages) {
  const found = [];
  for await (const one of pages) found.push(one.id);
  return found;
}

async function refusal(promise) {
  try {
    return { answer: await promise };
  } catch (error) {
    return { name: error.name, code: error.code, status: error.statusCode };
  }
}

const idOf = (scope, name) => `${scope}/providers/Microsoft.Authorization/policyExemptions/${name}`;

async function newest() {
  const { resourceTypes } = await providers.get("Microsoft.Authorization");
  return resourceTypes.find((one) => one.resourceType === "policyExemptions").apiVersions[0];
}

const operations = {
  create: (scope, name, properties) => policyExemptions.createOrUpdate(scope, name, properties),
  show: (scope, name) => refusal(policyExemptions.get(scope, name)),
  async update(scope, name, changes) {
    const whole = { ...(await policyExemptions.get(scope, name)), ...changes };
    for (const key of Object.keys(changes)) if (changes[key] === null) delete whole[key];
    return policyExemptions.createOrUpdate(scope, name, whole);
  },
  listed: () => ids(policyExemptions.list()),
  delete: (scope, name) => policyExemptions.delete(scope, name),

  // At the management group, a resource group and a storage account in it, with a filter.
  listedAt: async (group, account, filter) => ({
    managementGroup: await ids(policyExemptions.listForManagementGroup("contoso", { filter: "atScope()" })),
    group: await ids(policyExemptions.listForResourceGroup(group, { filter })),
    account: await ids(
      policyExemptions.listForResource(group, "Microsoft.Storage", "", "storageAccounts", account, { filter }),
    ),
  }),
  tryToCreate: (scope, name, properties) => refusal(policyExemptions.createOrUpdate(scope, name, properties)),
  tryToList: (filter) => refusal(ids(policyExemptions.list({ filter }))),

  // By id, in the newest api-version that Azure Resource Manager names.
  newest,
  exists: async (scope, name) => (await resources.checkExistenceById(idOf(scope, name), await newest())).body,
  put: async (scope, name, properties) =>
    resources.createOrUpdateById(idOf(scope, name), await newest(), { properties }),
  patch: async (scope, name, properties) => resources.updateById(idOf(scope, name), await newest(), { properties }),
  remove: async (scope, name) => resources.deleteById(idOf(scope, name), await newest()),

  // By the current @azure/arm-policy.
  assign: (scope, name, assignment) => policyAssignments.create(scope, name, assignment),
  assigned: (scope, name) =>
    policyAssignments.get(scope, name, { expand: "LatestDefinitionVersion, EffectiveDefinitionVersion" }),
  assignments: async (group, account) => ({
    subscription: await ids(policyAssignments.list()),
    managementGroup: await ids(policyAssignments.listForManagementGroup("contoso", { filter: "atScope()" })),
    group: await ids(policyAssignments.listForResourceGroup(group)),
    account: await ids(
      policyAssignments.listForResource(group, "Microsoft.Storage", "", "storageAccounts", account),
    ),
  }),
  unassign: (scope, name) => policyAssignments.delete(scope, name),
};

const answer = await operations[operation](...given.map((one) => JSON.parse(one)));
console.log(JSON.stringify(answer ?? null));
