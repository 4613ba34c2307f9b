/** Bindings and addresses as text, as rows have them. */
import type { PortBinding } from "./types.ts";

export const isSix = (ip: string): boolean => ip.includes(":");

/** No address of the host's in particular. */
export const isAny = (ip: string): boolean => ip === "0.0.0.0" || ip === "::";

/** Without its prefix length. */
export const addressOf = (cidr: string | undefined): string | undefined => cidr?.split("/", 1)[0];

/** The same for the same binding. */
export const bindingKey = ({ protocol, containerPort, hostIp, hostPort }: PortBinding): string =>
  `${hostIp} ${hostPort} ${containerPort}/${protocol}`;
