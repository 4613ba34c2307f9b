/**
 * Docker's default seccomp profile, as data, and what makes an OCI profile of one in Docker's format: rules that hold
 * for some capabilities, architectures or kernels only.
 * @source docs.docker.com/engine/security/seccomp
 */
import { ARCH } from "../../ffi/syscalls.ts";
import type { Seccomp, SeccompRule } from "./spec.ts";

interface Conditions {
  /** Docker's names: `amd64`, `arm64`. */
  arches?: string[];
  caps?: string[];
  /** `4.8`: this one or a newer one. */
  minKernel?: string;
}

export type DockerSeccompRule = Omit<SeccompRule, "names"> & {
  names?: string[];
  name?: string;
  comment?: string;
  includes?: Conditions;
  excludes?: Conditions;
};

/** What `--security-opt seccomp=FILE` has in it. */
export type DockerSeccompProfile = Omit<Seccomp, "syscalls"> & {
  archMap?: { architecture: string; subArchitectures?: string[] | null }[];
  syscalls?: DockerSeccompRule[];
};

const ALWAYS = `
accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown chown32
clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64
clock_nanosleep clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 dup3
epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old
eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate
fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync
fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync
ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake futimesat
getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups
getgroups32 getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid
getresgid32 getresuid getresuid32 getrlimit get_robust_list getrusage getsid getsockname getsockopt
get_thread_area gettid gettimeofday getuid getuid32 getxattr getxattrat inotify_add_watch inotify_init
inotify_init1 inotify_rm_watch io_cancel ioctl io_destroy io_getevents io_pgetevents
io_pgetevents_time64 ioprio_get ioprio_set io_setup io_submit ipc kill landlock_add_rule
landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr link linkat listen listmount
listxattr listxattrat llistxattr _llseek lremovexattr lseek lsetxattr lstat lstat64 madvise
map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2
mlockall mmap mmap2 mprotect mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64
mq_timedsend mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync munlock
munlockall munmap name_to_handle_at nanosleep newfstatat _newselect open openat openat2 pause pidfd_open
pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64 prctl pread64
preadv preadv2 prlimit64 process_mrelease pselect6 pselect6_time64 pwrite64 pwritev pwritev2 read
readahead readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages
removexattr removexattrat rename renameat renameat2 restart_syscall riscv_hwprobe rmdir rseq
rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_getaffinity sched_getattr sched_getparam
sched_get_priority_max sched_get_priority_min sched_getscheduler sched_rr_get_interval
sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler
sched_yield seccomp select semctl semget semop semtimedop semtimedop_time64 send sendfile sendfile64
sendmmsg sendmsg sendto setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32
setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid
setreuid32 setrlimit set_robust_list setsid setsockopt set_thread_area set_tid_address setuid setuid32
setxattr setxattrat shmat shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4 sigprocmask
sigreturn socketcall socketpair splice stat stat64 statfs statfs64 statmount statx symlink symlinkat
sync sync_file_range syncfs sysinfo tee tgkill time timer_create timer_delete timer_getoverrun
timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime
timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask
uname unlink unlinkat uretprobe utime utimensat utimensat_time64 utimes vfork vmsplice wait4 waitid
waitpid write writev`;

const ADMIN = `
bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr
lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl
quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare`;

const words = (text: string): string[] => text.trim().split(/\s+/);
const allow = (names: string, rest: Omit<DockerSeccompRule, "names" | "action"> = {}): DockerSeccompRule => ({
  names: words(names),
  action: "SCMP_ACT_ALLOW",
  ...rest,
});
const withCap = (cap: string, names: string): DockerSeccompRule =>
  allow(names, { includes: { caps: [cap] } });
const when = (
  name: string,
  op: "SCMP_CMP_LT" | "SCMP_CMP_EQ" | "SCMP_CMP_GT",
  value: number,
): DockerSeccompRule => allow(name, { args: [{ index: 0, value, op }] });

/** AF_ALG and AF_VSOCK: the one is attack surface, the other reaches the hypervisor's host. */
const AF_ALG = 38;
const AF_VSOCK = 40;
/** All CLONE_NEW* flags. */
const NEW_NAMESPACES = 0x7e02_0000;
const PER_LINUX32 = 8;
const UNAME26 = 0x2_0000;
const ENOSYS = 38;

export const DEFAULT_PROFILE: DockerSeccompProfile = {
  defaultAction: "SCMP_ACT_ERRNO",
  defaultErrnoRet: 1,
  archMap: [
    { architecture: "SCMP_ARCH_X86_64", subArchitectures: ["SCMP_ARCH_X86", "SCMP_ARCH_X32"] },
    { architecture: "SCMP_ARCH_AARCH64", subArchitectures: ["SCMP_ARCH_ARM"] },
  ],
  syscalls: [
    allow(ALWAYS),
    allow("process_vm_readv process_vm_writev ptrace", { includes: { minKernel: "4.8" } }),
    when("socket", "SCMP_CMP_LT", AF_ALG),
    when("socket", "SCMP_CMP_EQ", AF_ALG + 1),
    when("socket", "SCMP_CMP_GT", AF_VSOCK),
    ...[0, PER_LINUX32, UNAME26, UNAME26 | PER_LINUX32, 0xffff_ffff].map((persona) =>
      when("personality", "SCMP_CMP_EQ", persona),
    ),
    allow("arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls", {
      includes: { arches: ["arm", "arm64"] },
    }),
    allow("arch_prctl", { includes: { arches: ["amd64", "x32"] } }),
    allow("modify_ldt", { includes: { arches: ["amd64", "x32", "x86"] } }),
    withCap("CAP_DAC_READ_SEARCH", "open_by_handle_at"),
    withCap("CAP_SYS_ADMIN", ADMIN),
    allow("clone", {
      args: [{ index: 0, value: NEW_NAMESPACES, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ" }],
      excludes: { caps: ["CAP_SYS_ADMIN"] },
    }),
    // Its flags are in memory, where a filter cannot look; libcs fall back to clone.
    { names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: ENOSYS, excludes: { caps: ["CAP_SYS_ADMIN"] } },
    withCap("CAP_SYS_BOOT", "reboot"),
    withCap("CAP_SYS_CHROOT", "chroot"),
    withCap("CAP_SYS_MODULE", "delete_module init_module finit_module"),
    withCap("CAP_SYS_PACCT", "acct"),
    withCap("CAP_SYS_PTRACE", "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace"),
    withCap("CAP_SYS_RAWIO", "iopl ioperm"),
    withCap("CAP_SYS_TIME", "settimeofday stime clock_settime clock_settime64"),
    withCap("CAP_SYS_TTY_CONFIG", "vhangup"),
    withCap("CAP_SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"),
    withCap("CAP_SYSLOG", "syslog"),
    withCap("CAP_BPF", "bpf"),
    withCap("CAP_PERFMON", "perf_event_open"),
  ],
};

export interface Machine {
  /** Docker's name of the architecture. */
  arch: "amd64" | "arm64";
  /** `uname -r`. */
  kernel: string;
}

const NATIVE = { amd64: "SCMP_ARCH_X86_64", arm64: "SCMP_ARCH_AARCH64" } as const;

/** Docker's default profile for a process with these capabilities. */
export const defaultSeccomp = (capabilities: readonly string[], machine: Machine = thisMachine()): Seccomp =>
  resolveProfile(DEFAULT_PROFILE, capabilities, machine);

/** The default profile asks for 4.8 alone, which is below what tsd runs on: so the release is not read for it. */
const thisMachine = (): Machine => ({ arch: ARCH === "aarch64" ? "arm64" : "amd64", kernel: "5.12" });

export function resolveProfile(
  profile: DockerSeccompProfile,
  capabilities: readonly string[],
  machine: Machine,
): Seccomp {
  const { archMap, syscalls, ...rest } = profile;
  const holds = (rule: DockerSeccompRule) =>
    included(rule, capabilities, machine) && !excluded(rule, capabilities, machine);
  const mapped = archMap?.find(({ architecture }) => architecture === NATIVE[machine.arch]);
  const architectures = mapped && [mapped.architecture, ...(mapped.subArchitectures ?? [])];
  return {
    ...rest,
    ...(architectures && { architectures }),
    syscalls: (syscalls ?? [])
      .filter(holds)
      .map(({ names, name, comment: _, includes: __, excludes: ___, ...rule }) => ({
        ...rule,
        names: [...(names ?? []), ...(name ? [name] : [])],
      })),
  };
}

/** Any of the architectures, all of the capabilities. */
function included(
  { includes: i }: DockerSeccompRule,
  capabilities: readonly string[],
  machine: Machine,
): boolean {
  if (i?.arches?.length && !i.arches.includes(machine.arch)) return false;
  if (i?.caps?.some((cap) => !capabilities.includes(cap))) return false;
  return !i?.minKernel || kernelAtLeast(machine.kernel, i.minKernel);
}

/** Any of either. */
function excluded(
  { excludes: e }: DockerSeccompRule,
  capabilities: readonly string[],
  machine: Machine,
): boolean {
  if (e?.arches?.includes(machine.arch) || e?.caps?.some((cap) => capabilities.includes(cap))) return true;
  return e?.minKernel !== undefined && e.minKernel !== "" && kernelAtLeast(machine.kernel, e.minKernel);
}

function kernelAtLeast(release: string, wanted: string): boolean {
  const [major = 0, minor = 0] = release.split(/[.-]/).map(Number);
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split(".").map(Number);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}
