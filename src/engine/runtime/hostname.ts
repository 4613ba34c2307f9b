/**
 * The host's name and domain name in the container's uts namespace.
 * @source config.md "Hostname" and "Domainname"
 */
import { EngineError } from "../errors.ts";
import type { PlanBuilder } from "./plan.ts";
import type { Spec } from "./spec.ts";

/** Without a uts namespace of its own, the container would rename the host. */
export function refuseHostNames({ hostname, domainname, linux }: Spec): void {
  if (linux?.namespaces?.some(({ type }) => type === "uts")) return;
  const name = hostname ? "hostname" : "domainname";
  if (hostname || domainname)
    throw new EngineError("invalid", `unable to set ${name} without a private UTS namespace`);
}

export function setHostNames(plan: PlanBuilder, { hostname, domainname }: Spec): void {
  if (hostname) setName(plan, "sethostname", hostname);
  if (domainname) setName(plan, "setdomainname", domainname);
}

function setName(plan: PlanBuilder, call: "sethostname" | "setdomainname", name: string): void {
  const data = plan.string(name);
  plan.call(call, [data, data.size - 1], { label: call });
}
