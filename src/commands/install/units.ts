/** The systemd units. The shim is a unit of its own, so that containers outlive a restart of the daemon. */

// Of open files, systemd's own 524,288 is enough, and what containers then may ask for at most is as with Docker.
const LIMITS = `LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity`;

/** A path as systemd reads words: quoted where it has to be, its specifiers doubled. */
function word(path: string): string {
  const plain = path.replaceAll("%", "%%");
  return /^[\w%/.+:@-]+$/.test(plain) ? plain : `"${plain.replaceAll(/["\\]/g, "\\$&")}"`;
}

/** File name to content, for a program in `bin`; the socket is `group`'s. */
export function units(bin: string, group: string): Record<string, string> {
  return {
    "tsd.socket": `[Unit]
Description=tsd API socket

[Socket]
ListenStream=/run/docker.sock
SocketMode=0660
SocketUser=root
SocketGroup=${group}

[Install]
WantedBy=sockets.target
`,
    "tsd.service": `[Unit]
Description=tsd container engine
Requires=tsd.socket
Wants=ts-shim.service network-online.target
After=tsd.socket ts-shim.service network-online.target

[Service]
Type=notify
ExecStart=${word(`${bin}/tsd`)} daemon -H fd://
Restart=always
RestartSec=1
KillMode=process
OOMScoreAdjust=-500
${LIMITS}

[Install]
WantedBy=multi-user.target
`,
    "ts-shim.service": `[Unit]
Description=tsd container supervisor

[Service]
ExecStart=${word(`${bin}/ts-shim`)} --stay
Restart=always
RestartSec=100ms
# Keepers and containers live on while the shim is replaced, and manage their own cgroups below this unit's.
KillMode=process
Delegate=yes
OOMPolicy=continue
OOMScoreAdjust=-999
${LIMITS}
`,
  };
}
