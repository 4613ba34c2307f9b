/** Gathers subnets, ranges, gateways and auxiliary addresses, which are said apart, by the subnet they belong to. */
import { isIP } from "../builtin.ts";
import { Failure } from "../failure.ts";

export interface IpamConfig {
  Subnet: string;
  IPRange?: string;
  Gateway?: string;
  AuxiliaryAddresses?: Record<string, string>;
}

export interface IpamWords {
  readonly subnets: readonly string[];
  readonly ranges: readonly string[];
  readonly gateways: readonly string[];
  readonly auxiliary: readonly (readonly [name: string, address: string])[];
}

function split(cidr: string): { address: string; bits: number } | undefined {
  const match = /^([^/]+)\/(\d{1,3})$/.exec(cidr);
  const family = match ? isIP(match[1]!) : 0;
  if (!match || family === 0 || Number(match[2]) > (family === 4 ? 32 : 128)) return undefined;
  return { address: match[1]!, bits: Number(match[2]) };
}

const familyOf = (address: string): "ipv4" | "ipv6" => (isIP(address) === 4 ? "ipv4" : "ipv6");

/** Whether the address, or the start of the range, is in the subnet. */
function matches(subnet: string, data: string): boolean {
  const whole = split(subnet);
  if (!whole) throw new Failure(`invalid subnet: invalid CIDR address: ${subnet}`);
  const part = data.includes("/") ? split(data) : undefined;
  if (data.includes("/") && !part) throw new Failure(`invalid CIDR address: ${data}`);
  const address = part?.address ?? data;
  if (isIP(address) === 0) return false;
  const list = new (process.getBuiltinModule("node:net").BlockList)();
  list.addSubnet(whole.address, whole.bits, familyOf(whole.address));
  return list.check(address, familyOf(address));
}

/** @throws Failure in the words of Docker's client */
export function gatherIpam({ subnets, ranges, gateways, auxiliary }: IpamWords): IpamConfig[] {
  if (subnets.length < ranges.length || subnets.length < gateways.length) {
    throw new Failure("every ip-range or gateway must have a corresponding subnet");
  }
  const configs = new Map<string, IpamConfig>();
  for (const subnet of subnets) {
    for (const other of configs.keys()) {
      if (matches(subnet, other) || matches(other, subnet)) {
        throw new Failure("multiple overlapping subnet configuration is not supported");
      }
    }
    configs.set(subnet, { Subnet: subnet });
  }
  const assign = (data: string, what: string, set: (config: IpamConfig) => void): void => {
    const found = [...configs.values()].filter(({ Subnet }) => matches(Subnet, data));
    found.forEach(set);
    if (found.length === 0) throw new Failure(`no matching subnet for ${what} ${data}`);
  };
  for (const range of ranges) {
    assign(range, "range", (config) => {
      if (config.IPRange) {
        throw new Failure(
          `cannot configure multiple ranges (${range}, ${config.IPRange}) on the same subnet (${config.Subnet})`,
        );
      }
      config.IPRange = range;
    });
  }
  for (const gateway of gateways) {
    assign(gateway, "gateway", (config) => {
      if (config.Gateway) {
        throw new Failure(
          `cannot configure multiple gateways (${gateway}, ${config.Gateway}) for the same subnet (${config.Subnet})`,
        );
      }
      config.Gateway = gateway;
    });
  }
  for (const [name, address] of auxiliary) {
    assign(address, "aux-address", (config) => {
      config.AuxiliaryAddresses = { ...config.AuxiliaryAddresses, [name]: address };
    });
  }
  return [...configs.values()];
}
