/** The networks that need no network service: a container without one, and a container on the host's. */
import { createHash } from "node:crypto";
import { EngineError } from "../errors.ts";
import {
  booleanFilter,
  type Filters,
  matchExact,
  matchPattern,
  matchPrefix,
  validateFilters,
} from "../filters.ts";
import type { NetworkService } from "../services.ts";

const FILTERS = ["dangling", "driver", "id", "label", "name", "scope", "type"];

interface Network {
  Name: string;
  Id: string;
  Driver: string;
  [field: string]: unknown;
}

/** `engine` and `created` make ids that stay the same and are nobody else's. */
export function createNetworks(engine: string, created: Date): NetworkService {
  const network = (Name: string, Driver: string): Network => ({
    Name,
    Id: createHash("sha256").update(`${engine} ${Name}`).digest("hex"),
    Created: created.toISOString(),
    Scope: "local",
    Driver,
    EnableIPv4: true,
    EnableIPv6: false,
    IPAM: { Driver: "default", Options: null, Config: null },
    Internal: false,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: "" },
    ConfigOnly: false,
    Options: {},
    Labels: {},
  });
  const networks = [network("none", "null"), network("host", "host")];
  return {
    list(filters: Filters) {
      validateFilters(filters, FILTERS);
      // Predefined networks are never dangling, and carry no labels.
      if (booleanFilter(filters, "dangling", false) || filters.label?.length) return [];
      return networks.filter(
        ({ Name, Id, Driver }) =>
          matchPattern(filters, "name", Name) &&
          matchPrefix(filters, "id", Id) &&
          matchExact(filters, "driver", Driver) &&
          matchExact(filters, "scope", "local") &&
          matchExact(filters, "type", "builtin"),
      );
    },
    inspect(name: string) {
      const found =
        networks.find(({ Name, Id }) => Name === name || Id === name) ??
        (name ? networks.find(({ Id }) => Id.startsWith(name)) : undefined);
      if (!found) throw new EngineError("notFound", `network ${name} not found`);
      return { ...found, Containers: {}, Status: { IPAM: {} } };
    },
  };
}
