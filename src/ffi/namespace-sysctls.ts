/**
 * Sysctls of network namespaces, reached by an instance of procfs that nobody else looks into. In the one at /proc the
 * kernel keeps a name below /proc/sys/net for every namespace that asked for it, all in one chain, and walks that when
 * another asks for the first time: with a thousand namespaces a millisecond, for each program of the host.
 * @source fs/proc/proc_sysctl.c, proc_sys_compare
 */
import { O } from "./file.ts";
import { check, closeFd, cstring, SystemError, sys } from "./libc.ts";
import { FSCONFIG, FSOPEN } from "./mount.ts";
import { inNamespace } from "./netns.ts";

const AT_FDCWD = -100;
/** So long a chain may become: with the instance it goes, and the next one starts with none. */
const MOST = 64;

export interface SysctlFile {
  /** Below /proc/sys: `net/ipv6/conf/eth0/disable_ipv6`. */
  path: string;
  value: string;
}

export class NamespaceSysctls implements Disposable {
  #procfs: number | undefined;
  #used = 0;

  /**
   * Sets those of the namespace of that descriptor.
   * @throws SystemError of the first that failed; those after it are not set
   */
  write(namespace: number, files: readonly SysctlFile[]): void {
    const { fd: folder, path: above } = this.#folder();
    const prepared = files.map(({ path, value }) => ({
      path: cstring(`${above}sys/${path}`),
      value: new TextEncoder().encode(value),
    }));
    const flags = O.O_WRONLY | O.O_CLOEXEC | O.O_NOFOLLOW;
    let done = 0;
    const failed = inNamespace(namespace, () => {
      for (; done < prepared.length; done++) {
        const { path, value } = prepared[done]!;
        const fd = sys("openat", folder, path, flags);
        if (fd < 0) return fd;
        const written = sys("write", fd, value, value.length);
        sys("close", fd);
        if (written < 0) return written;
      }
      return 0;
    });
    if (failed < 0) throw new SystemError(`set ${files[done]!.path} to ${files[done]!.value}`, -failed);
  }

  [Symbol.dispose](): void {
    if (this.#procfs !== undefined) closeFd(this.#procfs);
    this.#procfs = undefined;
  }

  /** Where paths below `sys` are looked up from, and what goes before them. */
  #folder(): { fd: number; path: string } {
    if (this.#used++ >= MOST) this[Symbol.dispose]();
    if (this.#procfs === undefined) {
      try {
        this.#procfs = mountProcfs();
        this.#used = 1;
      } catch {
        // Where the daemon may not mount it, there is that of the host, as slow as that may be.
        return { fd: AT_FDCWD, path: "/proc/" };
      }
    }
    return { fd: this.#procfs, path: "" };
  }
}

/** Attached nowhere: its root as a descriptor, close-on-exec, with which it goes. @throws SystemError */
function mountProcfs(): number {
  const context = check(sys("fsopen", cstring("proc"), FSOPEN.FSOPEN_CLOEXEC), "open procfs");
  try {
    check(sys("fsconfig", context, FSCONFIG.FSCONFIG_CMD_CREATE, 0, 0, 0), "make an instance of procfs");
    return check(sys("fsmount", context, FSOPEN.FSMOUNT_CLOEXEC, 0), "mount procfs");
  } finally {
    closeFd(context);
  }
}
