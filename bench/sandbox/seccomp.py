"""System-call filters, made with libseccomp's binding and carried into the jail as bytes."""

from __future__ import annotations

import errno
import functools
import tempfile

# Calls that no solution needs and that kernels have had holes in, or that reach other processes.
_DENIED = """
acct add_key bpf clock_adjtime clock_settime delete_module fanotify_init finit_module fsconfig
fsmount fsopen fspick init_module io_uring_enter io_uring_register io_uring_setup ioperm iopl kcmp
kexec_file_load kexec_load keyctl lookup_dcookie mbind migrate_pages mount mount_setattr
move_mount move_pages name_to_handle_at nfsservctl open_by_handle_at open_tree perf_event_open
personality pivot_root process_madvise process_vm_readv process_vm_writev ptrace quotactl
quotactl_fd reboot request_key setdomainname sethostname setns settimeofday swapoff swapon syslog
umount umount2 unshare uselib userfaultfd vhangup chroot landlock_create_ruleset shmget shmat
shmctl msgget msgsnd msgctl semget semop semctl mq_open mq_unlink
""".split()  # noqa: SIM905  (a list of a hundred lines)
# Where no namespace holds a child: nothing is started, signalled, connected, created or changed.
_DENIED_ALONE = """
fork vfork execve execveat kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_open
pidfd_getfd pidfd_send_signal socket socketpair connect bind listen creat mkdir mkdirat mknod
mknodat unlink unlinkat rmdir rename renameat renameat2 link linkat symlink symlinkat chmod fchmod
fchmodat chown fchown lchown fchownat truncate utime utimes utimensat futimesat setxattr lsetxattr
fsetxattr removexattr lremovexattr fremovexattr setpriority sched_setaffinity sched_setscheduler
sched_setparam ioprio_set memfd_create inotify_init inotify_init1 setsid setpgid
""".split()  # noqa: SIM905  (a list of a hundred lines)
_NAMESPACES = 0x7E020000 | 0x80  # every CLONE_NEW* flag
_THREAD = 0x10000
_WRITING = 0o3 | 0o100 | 0o1000 | 0o2000  # O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_APPEND
_PRLIMIT_OTHER = 0


@functools.cache
def program(kind: str) -> bytes:
    """The filter for a child, "namespaced" or "alone"; empty where libseccomp cannot be had."""
    try:
        import pyseccomp as s
    except (ImportError, OSError, RuntimeError):
        return b""
    deny = s.ERRNO(errno.EPERM)
    rules = s.SyscallFilter(s.ALLOW)
    rules.set_attr(s.Attr.CTL_OPTIMIZE, 2)  # a binary tree: the kernel takes it in faster
    names = [*_DENIED, *(_DENIED_ALONE if kind == "alone" else [])]
    for name in names:
        try:
            rules.add_rule(deny, name)
        except (OSError, ValueError):
            continue  # a call that this kernel or architecture does not have cannot be made
    rules.add_rule(s.ERRNO(errno.ENOSYS), "clone3")  # its flags are in memory: libc falls back
    for flag in (1 << n for n in range(32) if _NAMESPACES >> n & 1):
        rules.add_rule(deny, "clone", s.Arg(0, s.MASKED_EQ, flag, flag))
    if kind == "alone":
        rules.add_rule(deny, "clone", s.Arg(0, s.MASKED_EQ, _THREAD, 0))
        rules.add_rule(deny, "prlimit64", s.Arg(0, s.NE, 0))
        rules.add_rule(s.ERRNO(errno.ENOSYS), "openat2")
        for flag in (1 << n for n in range(12) if _WRITING >> n & 1):
            rules.add_rule(deny, "openat", s.Arg(2, s.MASKED_EQ, flag, flag))
            rules.add_rule(deny, "open", s.Arg(1, s.MASKED_EQ, flag, flag))
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()
