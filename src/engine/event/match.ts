/** Which events a client asked for. @source Engine API, operation SystemEvents, parameter filters. */
import { type Filters, hasFilter, matchExact, matchPairs, matchPrefix } from "../filters.ts";
import type { EngineEvent, EventType } from "./types.ts";

/** A noun of this list filters by the id or name of the actor, whatever the event's own type is. */
const NAMED: readonly EventType[] = [
  "daemon",
  "container",
  "plugin",
  "volume",
  "network",
  "node",
  "service",
  "secret",
  "config",
];

/** Actions that carry their detail after a colon and are asked for without it. */
const DETAILED = ["health_status", "exec_create", "exec_start"];

export function matchEvent(filters: Filters, event: EngineEvent): boolean {
  return (
    matchAction(filters, event.Action) &&
    matchExact(filters, "type", event.Type) &&
    matchExact(filters, "scope", event.scope) &&
    NAMED.every((noun) => !hasFilter(filters, noun) || matchActor(filters, noun, event)) &&
    matchImage(filters, event) &&
    matchPairs(filters, "label", event.Actor.Attributes)
  );
}

function matchAction(filters: Filters, action: string): boolean {
  const detailed = filters.event?.some((value) => DETAILED.includes(value));
  return detailed ? matchPrefix(filters, "event", action) : matchExact(filters, "event", action);
}

function matchActor(filters: Filters, noun: EventType, { Actor }: EngineEvent): boolean {
  return matchPrefix(filters, noun, Actor.ID) || matchPrefix(filters, noun, Actor.Attributes.name ?? "");
}

/** An image's own events, and those of containers made from it; with or without its tag. */
function matchImage(filters: Filters, { Type, Actor }: EngineEvent): boolean {
  if (!hasFilter(filters, "image")) return true;
  const name = Actor.Attributes[Type === "image" ? "name" : "image"] ?? "";
  return [Actor.ID, name, withoutTag(Actor.ID), withoutTag(name)].some((word) =>
    matchExact(filters, "image", word),
  );
}

/** The familiar repository name: no tag, no digest, no `docker.io/library/`. */
function withoutTag(reference: string): string {
  const named = reference.split("@", 1)[0]!;
  const colon = named.lastIndexOf(":");
  const repository = colon > named.lastIndexOf("/") ? named.slice(0, colon) : named;
  return repository.replace(/^docker\.io\/(library\/)?/, "");
}
