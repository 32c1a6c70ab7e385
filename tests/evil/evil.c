/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Break-out attempts of a process that was taken over, for test builds only (tests/meson.build). Each is one system call, or two,
 * that whoever runs code in a confined process would like to have: it is made in the handler of the message EVIL, after the
 * sandbox is up. What becomes of each, in each process, is the table of docs/threat-model.md; tests/system/test_evil.py compares.
 */
#include "tests/evil/evil.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096

struct attempt {
	const char *name;
	long (*run)(struct ch_child *c); /* negative: refused, errno says how */
};

#define ATTEMPT(name, expression)            \
	static long name(struct ch_child *c) \
	{                                    \
		(void)c;                     \
		return (long)(expression);   \
	}

static struct iovec iov(void)
{
	static char byte;
	return (struct iovec){ &byte, 1 };
}

/* --- files --- */
ATTEMPT(open_passwd, open("/etc/passwd", O_RDONLY))
ATTEMPT(open_above_root, open("../../../../etc/passwd", O_RDONLY))
ATTEMPT(open_own_memory, open("/proc/self/mem", O_RDWR))
ATTEMPT(open_new_file, open("/evil", O_WRONLY | O_CREAT | O_EXCL, 0600))
ATTEMPT(open_folder, open("/", O_RDONLY | O_DIRECTORY))
ATTEMPT(make_folder, mkdir("/evil.d", 0700))
ATTEMPT(make_link, symlink("/etc/passwd", "/evil.l"))
ATTEMPT(make_hard_link, link("/etc/passwd", "/evil.h"))
ATTEMPT(make_device, mknod("/evil.n", S_IFCHR | 0600, 0x101))
ATTEMPT(change_mode, chmod("/", 04777))
ATTEMPT(change_owner, chown("/", 0, 0))
ATTEMPT(cut_file, truncate("/evil", 0))
ATTEMPT(mount_something, syscall(SYS_mount, "none", "/", "tmpfs", 0, NULL))
ATTEMPT(unmount_something, syscall(SYS_umount2, "/", 0))
ATTEMPT(change_root, chroot("/"))
ATTEMPT(pivot, syscall(SYS_pivot_root, "/", "/"))
ATTEMPT(handle_of_file, syscall(SYS_name_to_handle_at, AT_FDCWD, "/", NULL, NULL, 0))
ATTEMPT(open_by_handle, syscall(SYS_open_by_handle_at, AT_FDCWD, NULL, O_RDONLY))
ATTEMPT(memory_file, syscall(SYS_memfd_create, "evil", 0u))

static long open_how(struct ch_child *c)
{
	const uint64_t how[3] = { O_RDONLY, 0, 0 };
	(void)c;
	return syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", how, sizeof(how));
}

static long write_fleet_view(struct ch_child *c)
{
	int fd = ch_child_fd(c, CH_FD_VIEW, 0);
	errno = EBADF;
	return fd < 0 ? -1 : write(fd, "evil", 4);
}

/* --- other programs and processes --- */
ATTEMPT(run_shell, execl("/bin/sh", "sh", "-c", "exit 0", (char *)NULL))
ATTEMPT(run_by_descriptor, syscall(SYS_execveat, 0, "", NULL, NULL, AT_EMPTY_PATH))
ATTEMPT(fork_self, syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0))
ATTEMPT(fork_new_way, syscall(SYS_clone3, NULL, 0))
ATTEMPT(trace_parent, ptrace(PTRACE_SEIZE, getppid(), NULL, NULL))
ATTEMPT(kill_parent, kill(getppid(), 0))
ATTEMPT(kill_everyone, kill(-1, 0))
ATTEMPT(signal_other_thread, syscall(SYS_tgkill, 1, 1, 0))
ATTEMPT(abort_signal_to_other, syscall(SYS_tgkill, 1, 1, SIGABRT))
ATTEMPT(handle_of_process, syscall(SYS_pidfd_open, 1, 0))
ATTEMPT(descriptor_of_process, syscall(SYS_pidfd_getfd, 0, 0, 0))
ATTEMPT(wait_for_others, syscall(SYS_wait4, -1, NULL, 0, NULL))

static long read_parent_memory(struct ch_child *c)
{
	struct iovec v = iov();
	(void)c;
	return process_vm_readv(getppid(), &v, 1, &v, 1, 0);
}

static long write_parent_memory(struct ch_child *c)
{
	struct iovec v = iov();
	(void)c;
	return process_vm_writev(getppid(), &v, 1, &v, 1, 0);
}

static long run_from_memory(struct ch_child *c)
{
	(void)c;
	int fd = (int)syscall(SYS_memfd_create, "evil", 0u);
	return fd < 0 ? -1 : syscall(SYS_execveat, fd, "", NULL, NULL, AT_EMPTY_PATH);
}

/* --- privilege --- */
ATTEMPT(become_root, setresuid(0, 0, 0))
ATTEMPT(become_root_group, setresgid(0, 0, 0))
ATTEMPT(join_groups, syscall(SYS_setgroups, 0, NULL))
ATTEMPT(raise_capabilities, syscall(SYS_capset, NULL, NULL))
ATTEMPT(become_dumpable, prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))
ATTEMPT(change_personality, syscall(SYS_personality, 0x0040000))
ATTEMPT(new_user_namespace, unshare(CLONE_NEWUSER))
ATTEMPT(enter_namespace, setns(0, 0))
ATTEMPT(another_filter, syscall(SYS_seccomp, 1, 0, NULL))
ATTEMPT(raise_limits, syscall(SYS_prlimit64, 0, 7, NULL, NULL))

/* --- network --- */
ATTEMPT(socket_ipv4, socket(AF_INET, SOCK_STREAM, 0))
ATTEMPT(socket_ipv6, socket(AF_INET6, SOCK_DGRAM, 0))
ATTEMPT(socket_unix, socket(AF_UNIX, SOCK_STREAM, 0))
ATTEMPT(socket_netlink, socket(AF_NETLINK, SOCK_RAW, 0))
ATTEMPT(socket_packet, socket(AF_PACKET, SOCK_RAW, 0))
ATTEMPT(socket_vsock, socket(AF_VSOCK, SOCK_STREAM, 0))
ATTEMPT(socket_pair, syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, NULL))
ATTEMPT(connect_socket, connect(CH_CHILD_CONTROL_FD, NULL, 0))
ATTEMPT(bind_socket, bind(CH_CHILD_CONTROL_FD, NULL, 0))
ATTEMPT(listen_socket, listen(CH_CHILD_CONTROL_FD, 1))
ATTEMPT(accept_connection, accept4(CH_CHILD_CONTROL_FD, NULL, NULL, 0))

static long send_descriptor(struct ch_child *c)
{
	_Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec v = iov();
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	return sendmsg(c->control.fd, &m, 0);
}

/* --- memory and the kernel --- */
ATTEMPT(map_code, mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0)
ATTEMPT(map_descriptor, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, CH_CHILD_CONTROL_FD, 0) == MAP_FAILED ? -1 : 0)
ATTEMPT(shared_memory, shmget(IPC_PRIVATE, PAGE, 0600))
ATTEMPT(fault_handler, syscall(SYS_userfaultfd, 0))
ATTEMPT(ring, syscall(SYS_io_uring_setup, 1, NULL))
ATTEMPT(kernel_program, syscall(SYS_bpf, 0, NULL, 0))
ATTEMPT(kernel_counters, syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0))
ATTEMPT(kernel_keys, syscall(SYS_keyctl, 0, 0, 0, 0, 0))
ATTEMPT(kernel_log, syscall(SYS_syslog, 10, NULL, 0))
ATTEMPT(kernel_module, syscall(SYS_finit_module, -1, "", 0))
ATTEMPT(restart_machine, syscall(SYS_reboot, 0, 0, 0, NULL))
ATTEMPT(rename_machine, syscall(SYS_sethostname, NULL, 0))
ATTEMPT(type_for_terminal, syscall(SYS_ioctl, STDERR_FILENO, 0x5412, ""))

static long make_code(struct ch_child *c)
{
	(void)c;
	void *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return mprotect(p, PAGE, PROT_READ | PROT_EXEC);
}

static long set_clock(struct ch_child *c)
{
	const struct timespec t = { 0, 0 };
	(void)c;
	return clock_settime(CLOCK_MONOTONIC, &t); /* this clock cannot be set by anyone */
}

#define ROW(name)           \
	{                   \
#name, name \
	}
static const struct attempt attempt[] = {
	ROW(open_passwd),
	ROW(open_above_root),
	ROW(open_own_memory),
	ROW(open_how),
	ROW(open_new_file),
	ROW(open_folder),
	ROW(make_folder),
	ROW(make_link),
	ROW(make_hard_link),
	ROW(make_device),
	ROW(change_mode),
	ROW(change_owner),
	ROW(cut_file),
	ROW(mount_something),
	ROW(unmount_something),
	ROW(change_root),
	ROW(pivot),
	ROW(handle_of_file),
	ROW(open_by_handle),
	ROW(memory_file),
	ROW(write_fleet_view),
	ROW(run_shell),
	ROW(run_by_descriptor),
	ROW(run_from_memory),
	ROW(fork_self),
	ROW(fork_new_way),
	ROW(trace_parent),
	ROW(read_parent_memory),
	ROW(write_parent_memory),
	ROW(kill_parent),
	ROW(kill_everyone),
	ROW(signal_other_thread),
	ROW(abort_signal_to_other),
	ROW(handle_of_process),
	ROW(descriptor_of_process),
	ROW(wait_for_others),
	ROW(become_root),
	ROW(become_root_group),
	ROW(join_groups),
	ROW(raise_capabilities),
	ROW(become_dumpable),
	ROW(change_personality),
	ROW(new_user_namespace),
	ROW(enter_namespace),
	ROW(another_filter),
	ROW(raise_limits),
	ROW(socket_ipv4),
	ROW(socket_ipv6),
	ROW(socket_unix),
	ROW(socket_netlink),
	ROW(socket_packet),
	ROW(socket_vsock),
	ROW(socket_pair),
	ROW(connect_socket),
	ROW(bind_socket),
	ROW(listen_socket),
	ROW(accept_connection),
	ROW(send_descriptor),
	ROW(map_code),
	ROW(make_code),
	ROW(map_descriptor),
	ROW(shared_memory),
	ROW(fault_handler),
	ROW(ring),
	ROW(kernel_program),
	ROW(kernel_counters),
	ROW(kernel_keys),
	ROW(kernel_log),
	ROW(kernel_module),
	ROW(restart_machine),
	ROW(rename_machine),
	ROW(type_for_terminal),
	ROW(set_clock),
};

const char *ch_evil_name(unsigned n)
{
	return n < CH_COUNT_OF(attempt) ? attempt[n].name : NULL;
}

bool ch_child_evil(struct ch_child *c, const struct ch_frame *f)
{
	struct ch_msg_evil evil;
	if (ch_msg_parse(CH_MSG_EVIL, &evil, f->payload, NULL) != CH_OK || ch_evil_name(evil.n) == NULL)
		return false;
	errno = 0;
	long rc = attempt[evil.n].run(c);
	const struct ch_msg_evil_done done = { .n = evil.n, .error = rc < 0 ? (uint32_t)errno : 0 };
	ch_msg_send(&c->control, CH_MSG_EVIL_DONE, f->id, &done);
	(void)ch_chan_flush(&c->control);
	return true;
}
