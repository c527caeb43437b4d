// One step of the tour: `node tour.mjs STEP`, against the Azure Resource Manager at SANDBOX_ARM_TLS, as the managed
// identity CLIENT_ID. Prints as JSON what the clients answered. Nothing is remembered between steps but by Azure.
//
// The current @azure/arm-policy has no exemptions, 5.1.0 was the last that had; @azure/arm-resources reaches every
// resource by its id, in any api-version.
import { PolicyClient } from "@azure/arm-policy";
import { ResourceManagementClient } from "@azure/arm-resources";
import { ManagedIdentityCredential } from "@azure/identity";
import { PolicyClient as PolicyClient5 } from "arm-policy-5";

const endpoint = process.env.SANDBOX_ARM_TLS;
const credential = new ManagedIdentityCredential({ clientId: process.env.CLIENT_ID });
const scopes = ["https://management.azure.com/.default"];
const id = "11111111-2222-3333-4444-555555555555";
const policy = new PolicyClient(credential, id, { endpoint, credentials: { scopes } });
const policy5 = new PolicyClient5(credential, id, { endpoint, credentialScopes: scopes });
const resources = new ResourceManagementClient(credential, id, { endpoint, credentials: { scopes } }).resources;
const providers = new ResourceManagementClient(credential, id, { endpoint, credentials: { scopes } }).providers;
const exemptions = policy5.policyExemptions;

const subscription = `/subscriptions/${id}`;
const managementGroup = "/providers/Microsoft.Management/managementGroups/contoso";
const group = `${subscription}/resourceGroups/partner-ingestion`;
const resource = `${group}/providers/Microsoft.Storage/storageAccounts/partnerdrop`;
const inGroup = ["partner-ingestion", "Microsoft.Storage", "", "storageAccounts", "partnerdrop"];
const authorization = "providers/Microsoft.Authorization";
const day = (days) => new Date(new Date(Date.now() + days * 86400e3).toISOString().slice(0, 10) + "T00:00:00Z");

const waiver = (changes = {}) => ({
  policyAssignmentId: `${subscription}/${authorization}/policyAssignments/storage-baseline`,
  policyDefinitionReferenceIds: ["denyPublicNetwork"],
  exemptionCategory: "Waiver",
  displayName: "Partner ingestion over the public endpoint",
  description: "The partner's uploader cannot use private endpoints until its next release.",
  expiresOn: day(120),
  metadata: {
    owner: "data-platform@contoso.com",
    approvalTicket: "SEC-1234",
    approver: "ciso@contoso.com",
    reviewDate: day(60).toISOString().slice(0, 10),
  },
  ...changes,
});

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

const newest = async (namespace, kind) =>
  (await providers.get(namespace)).resourceTypes.find((one) => one.resourceType === kind).apiVersions[0];

const steps = {
  assign: async () => {
    const created = await policy.policyAssignments.create(managementGroup, "js-above", {
      policyDefinitionId: "/providers/Microsoft.Authorization/policySetDefinitions/storage-baseline",
      displayName: "Storage baseline of the tenant",
      definitionVersion: "1.*.*",
    });
    const expand = "LatestDefinitionVersion, EffectiveDefinitionVersion";
    return { created, expanded: await policy.policyAssignments.get(managementGroup, "js-above", { expand }) };
  },
  assignments: async () => ({
    subscription: await ids(policy.policyAssignments.list()),
    group: await ids(policy.policyAssignments.listForResourceGroup("partner-ingestion")),
    resource: await ids(policy.policyAssignments.listForResource(...inGroup)),
    managementGroup: await ids(policy.policyAssignments.listForManagementGroup("contoso", { filter: "atScope()" })),
  }),
  create: async () => ({
    resource: await exemptions.createOrUpdate(resource, "js-waiver", waiver()),
    managementGroup: await exemptions.createOrUpdate(managementGroup, "js-above", {
      ...waiver(),
      policyAssignmentId: `${managementGroup}/${authorization}/policyAssignments/js-above`,
    }),
  }),
  list: async () => ({
    subscription: await ids(exemptions.list()),
    group: await ids(exemptions.listForResourceGroup("partner-ingestion")),
    resource: await ids(exemptions.listForResource(...inGroup)),
    managementGroup: await ids(exemptions.listForManagementGroup("contoso", { filter: "atScope()" })),
    atScope: await ids(exemptions.list({ filter: "atScope()" })),
    unexpired: await ids(exemptions.listForResourceGroup("partner-ingestion", { filter: "excludeExpired()" })),
  }),
  update: async () => {
    const changed = { description: "The partner's uploader cannot use private endpoints before March." };
    const version = await newest("Microsoft.Authorization", "policyExemptions");
    const whole = await exemptions.createOrUpdate(resource, "js-waiver", waiver(changed));
    const patch = { properties: { assignmentScopeValidation: "Default" } };
    return { version, whole, patched: await resources.updateById(whole.id, version, patch) };
  },
  ticketless: async () => {
    const { approvalTicket, ...metadata } = waiver().metadata;
    return await exemptions.createOrUpdate(group, "js-ticketless", waiver({ metadata }));
  },
  endless: async () => await exemptions.createOrUpdate(resource, "js-endless", waiver({ expiresOn: undefined })),
  show: async (name, at) => {
    const answer = await refusal(exemptions.get(at, name));
    const whole = `${at}/${authorization}/policyExemptions/${name}`;
    const version = await newest("Microsoft.Authorization", "policyExemptions");
    return { ...answer, exists: (await resources.checkExistenceById(whole, version)).body };
  },
  refused: async () => ({
    category: await refusal(exemptions.createOrUpdate(resource, "js-bad", waiver({ exemptionCategory: "Forgotten" }))),
    scope: await refusal(exemptions.createOrUpdate(`${group}-gone`, "js-bad", waiver())),
    filter: await refusal(ids(exemptions.list({ filter: "nonsense" }))),
    version: await refusal(resources.getById(`${resource}/${authorization}/policyExemptions/js-bad`, "2019-01-01")),
  }),
  remove: async () => {
    await exemptions.delete(resource, "js-waiver");
    await exemptions.delete(resource, "js-waiver"); // nothing is there: no error
    const version = await newest("Microsoft.Authorization", "policyExemptions");
    for (const [at, name] of [[managementGroup, "js-above"], [group, "js-ticketless"], [resource, "js-endless"]]) {
      await resources.deleteById(`${at}/${authorization}/policyExemptions/${name}`, version);
    }
    await policy.policyAssignments.delete(managementGroup, "js-above");
    const left = await ids(exemptions.list());
    return left.filter((one) => one.includes("/policyExemptions/js-"));
  },
};

const [step, ...given] = process.argv.slice(2);
console.log(JSON.stringify(await steps[step](...given)));
