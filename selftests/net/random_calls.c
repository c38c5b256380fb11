// SPDX-License-Identifier: GPL-2.0
/*
 * Random system calls on AF_LISTENQ sockets, in the caller's network namespace:
 *
 *	random_calls COUNT SEED [THREADS]
 *
 * One thread, so the same SEED makes the same calls; more threads share the descriptors, and the others have
 * each a network namespace of their own, whose settings change: a socket may be used from any of them. Nothing
 * is expected of their results but that they come: each call that could wait is told not to, and LQ_TIME_SCALE
 * minutes is too long for any. But a few threads more make a call each on a socket of their own whose memory
 * never comes, and stay in it until the process ends: nobody else may wait for them. Prints how many calls
 * succeeded, and which took longest.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <liburing.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/sockios.h>
#include <linux/tls.h>
#include <linux/userfaultfd.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/listenq.h>

#define FDS 24
#define THREADS 4
#define HELD 6 /* calls that never end */
#define RING_BIND 56 /* io_uring's, from 6.11 on */
#define RING_LISTEN 57
#define OPTIONS 32 /* ours, and those to come */

static int fds[FDS]; /* shared; a descriptor may be gone when it is used */
static uint8_t *held; /* memory that never comes, or NULL */
static int sockmap, file;
static atomic_int held_calls;

static __thread uint64_t state;
static __thread uint8_t *edge; /* a page, and behind it one that nobody may touch */
static __thread unsigned long good, done;
static __thread int last; /* which call */
static __thread struct io_uring ring;
static __thread bool have_ring, own_namespace;

static glob_t settings;

static uint32_t roll(uint32_t sides)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 32) % sides;
}

/* Memory of random content that ends with its page, or none. */
static void *memory(size_t length)
{
	uint8_t *at = edge + 4096 - length;
	size_t i;

	switch (roll(24)) {
	case 0:
		return NULL;
	case 1:
		return (void *)~0ul;
	case 2:
		return edge + 4096 - length / 2; /* half of it is there */
	}
	for (i = 0; i < length; i++)
		at[i] = roll(4) ? roll(256) : 0;
	return at;
}

static socklen_t address(struct sockaddr_storage *to)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)to;
	struct sockaddr_in *in = (struct sockaddr_in *)to;

	memset(to, 0, sizeof(*to));
	in->sin_family = roll(10) ? (roll(2) ? AF_INET : AF_INET6) : roll(50);
	in->sin_port = htons(7200 + roll(4));
	if (in->sin_family == AF_INET6 && !roll(3))
		inet_pton(AF_INET6, roll(3) ? "::ffff:127.0.0.1" : "::ffff:0.0.0.0",
			  &in6->sin6_addr);
	else if (in->sin_family == AF_INET6)
		in6->sin6_addr = roll(2) ? in6addr_any : in6addr_loopback;
	else
		in->sin_addr.s_addr = htonl(roll(2) ? INADDR_ANY : INADDR_LOOPBACK);
	return roll(8) ? (in->sin_family == AF_INET6 ? sizeof(*in6) : sizeof(*in)) : roll(130);
}

static int option(int fd)
{
	static const int levels[] = { SOL_LISTENQ, SOL_LISTENQ, SOL_LISTENQ, SOL_SOCKET, IPPROTO_TCP,
				      IPPROTO_IP,  IPPROTO_IPV6 };
	static const char *const names[] = { "linux", "freebsd",  "solaris",   "dataready",
					     "bsd",   "httpready", "windows-x", "" };
	const int level = roll(12) ? levels[roll(7)] : (int)roll(0x10000);
	const int name = level == SOL_LISTENQ ? roll(OPTIONS) : roll(80);
	socklen_t length = roll(4) ? (roll(2) ? 4 : 16) : roll(600);
	char word[256] = {};
	int value;

	if (level == SOL_SOCKET && (name == SO_RCVTIMEO || name == SO_LINGER))
		return 0; /* close() would wait for as long as it says */
	switch (roll(4)) {
	case 0:
		return getsockopt(fd, level, name, memory(length), roll(8) ? &length : memory(4));
	case 1:
		value = roll(3) ? (int)roll(12) - 2 : (int)roll(2000);
		return setsockopt(fd, level, name, &value, sizeof(value));
	case 2:
		strcpy(word, names[roll(8)]);
		return setsockopt(fd, level, name, word, roll(2) ? 256 : 16);
	default:
		return setsockopt(fd, level, name, memory(length), length);
	}
}

static int message(int fd)
{
	struct iovec iov = { .iov_base = memory(100), .iov_len = roll(101) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = roll(4) ? NULL : memory(64),
			      .msg_controllen = roll(4) ? 0 : roll(65) };
	const int flags = MSG_DONTWAIT | MSG_NOSIGNAL | (roll(3) ? 0 : (int)roll(0x10000));

	return roll(2) ? sendmsg(fd, &msg, flags | MSG_DONTWAIT) :
			 recvmsg(fd, &msg, (flags | MSG_DONTWAIT) & ~MSG_WAITALL);
}

/* Calls that reach far into TCP's other parts. */
static int other_option(int fd)
{
	static const char *const layers[] = { "tls", "listenq", "mptcp", "smc", "nonesuch", "" };
	struct tls12_crypto_info_aes_gcm_128 tls = {
		.info = { .version = TLS_1_2_VERSION, .cipher_type = TLS_CIPHER_AES_GCM_128 },
	};
	struct sock_filter code = { .code = BPF_RET | BPF_K,
				    .k = roll(3) ? roll(2) * 0xffff : roll(64) };
	const struct sock_fprog program = { .len = roll(8) ? 1 : roll(3), .filter = &code };
	const char *layer = layers[roll(6)];
	struct tcp_md5sig key = { .tcpm_key = "key" };
	int value;

	switch (roll(10)) {
	case 0:
		return setsockopt(fd, IPPROTO_TCP, TCP_ULP, layer, strlen(layer));
	case 1:
		return setsockopt(fd, SOL_TLS, 1 + roll(2), &tls, sizeof(tls));
	case 2:
		value = (int)roll(3) - 1;
		return setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &value, sizeof(value));
	case 3:
		value = roll(4) ? AF_INET : AF_INET6;
		return setsockopt(fd, IPPROTO_IPV6, IPV6_ADDRFORM, &value, sizeof(value));
	case 4:
		if (roll(2))
			return setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &value, 0);
		return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
	case 5:
		value = roll(2);
		return setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &value, sizeof(value));
	case 6:
		value = roll(8);
		return setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &value, sizeof(value));
	case 7:
		return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program,
				  sizeof(program));
	case 8:
		inet_pton(AF_INET, "127.0.0.1", &((struct sockaddr_in *)&key.tcpm_addr)->sin_addr);
		key.tcpm_addr.ss_family = AF_INET;
		key.tcpm_keylen = roll(4);
		return setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG, &key, sizeof(key));
	default:
		value = roll(30);
		return setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &value, sizeof(value));
	}
}

/* Its last reference may be one that is on its way. */
static int pass(int fd)
{
	char control[CMSG_SPACE(sizeof(fd))] = {};
	struct iovec iov = { .iov_base = control, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *rights = CMSG_FIRSTHDR(&msg);
	int pair[2], result;

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair))
		return -1;
	rights->cmsg_level = SOL_SOCKET;
	rights->cmsg_type = SCM_RIGHTS;
	rights->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(rights), &fd, sizeof(fd));
	result = sendmsg(pair[0], &msg, 0);
	close(pair[0]);
	close(pair[1]);
	return result;
}

/* Of this thread's namespace, if that is its own. */
static int setting(void)
{
	static const char *const words[] = { "linux", "bsd",  "freebsd", "solaris",  "skip",
					     "keep",  "fifo", "lifo",	 "adaptive", "-1" };
	char text[16];
	int fd, result;

	if (!own_namespace || !settings.gl_pathc)
		return -1;
	if (roll(3))
		snprintf(text, sizeof(text), "%u", roll(3) ? roll(5) : roll(2000));
	else
		snprintf(text, sizeof(text), "%s", words[roll(10)]);
	fd = open(settings.gl_pathv[roll(settings.gl_pathc)], O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	result = write(fd, text, strlen(text));
	close(fd);
	return result;
}

static int unspec(int fd)
{
	const struct sockaddr to = { .sa_family = AF_UNSPEC };

	return connect(fd, &to, sizeof(to));
}

static int fastopen(int fd, const struct sockaddr_storage *to, socklen_t length)
{
	const size_t bytes = roll(200);

	return sendto(fd, memory(bytes), bytes,
		      (roll(8) ? MSG_FASTOPEN : 0) | MSG_DONTWAIT | MSG_NOSIGNAL,
		      (const struct sockaddr *)to, length);
}

/* --- BPF --- */

static int bpf(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static int in_sockmap(int fd)
{
	uint32_t key = roll(4);
	uint64_t value = fd;
	union bpf_attr attr = { .map_fd = sockmap, .key = (uintptr_t)&key,
				.value = (uintptr_t)&value };

	return bpf(roll(3) ? BPF_MAP_UPDATE_ELEM : BPF_MAP_DELETE_ELEM, &attr);
}

static int new_sockmap(void)
{
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_SOCKMAP, .key_size = 4, .value_size = 8,
				.max_entries = 4 };

	return bpf(BPF_MAP_CREATE, &attr);
}

/* --- io_uring --- */

static void put(int fd)
{
	int *slot = &fds[roll(FDS)];

	if (*slot > 0)
		close(*slot);
	*slot = fd;
}

/* One more request; those that wait do so until the ring goes, and hold their sockets. */
static int ring_request(int fd, struct sockaddr_storage *to, socklen_t length)
{
	static char data[4096];
	struct io_uring_sqe *sqe = have_ring ? io_uring_get_sqe(&ring) : NULL;
	struct msghdr msg = { .msg_iov = &(struct iovec) { data, roll(sizeof(data)) },
			      .msg_iovlen = 1 };
	struct io_uring_cqe *cqe;
	int kind = roll(12), result = -1;

	if (!sqe)
		return -1;
	switch (kind) {
	case 0:
		io_uring_prep_socket(sqe, AF_LISTENQ, SOCK_STREAM | SOCK_NONBLOCK, roll(2), 0);
		break;
	case 1:
		io_uring_prep_accept(sqe, fd, NULL, NULL, SOCK_NONBLOCK);
		break;
	case 2:
		io_uring_prep_connect(sqe, fd, (struct sockaddr *)to, length);
		break;
	case 3:
		io_uring_prep_sendmsg(sqe, fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	case 4:
		io_uring_prep_send_zc(sqe, fd, data, roll(sizeof(data)),
				      MSG_DONTWAIT | MSG_NOSIGNAL, 0);
		break;
	case 5:
		io_uring_prep_shutdown(sqe, fd, roll(4));
		break;
	case 6:
		io_uring_prep_poll_add(sqe, fd, POLLIN | (roll(2) ? POLLOUT : 0));
		break;
	case 7:
		io_uring_prep_cancel_fd(sqe, fd, IORING_ASYNC_CANCEL_ALL);
		break;
	case 8:
		io_uring_prep_multishot_accept(sqe, fd, NULL, NULL, SOCK_NONBLOCK);
		break;
	case 9:
		io_uring_prep_rw(RING_BIND, sqe, fd, to, 0, length);
		break;
	case 10:
		io_uring_prep_rw(RING_LISTEN, sqe, fd, NULL, roll(20), 0);
		break;
	default:
		io_uring_prep_recv(sqe, fd, data, sizeof(data), MSG_DONTWAIT);
	}
	io_uring_sqe_set_data64(sqe, kind);
	/* @msg and @to are read before it returns. */
	io_uring_submit(&ring);
	while (io_uring_peek_cqe(&ring, &cqe) == 0) {
		result = cqe->res;
		if (result > 0 && (cqe->user_data <= 1 || cqe->user_data == 8))
			put(result);
		io_uring_cqe_seen(&ring, cqe);
	}
	return result;
}

/* --- memory that never comes --- */

static void hold_page(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register page = { .range.len = 4096, .mode = UFFDIO_REGISTER_MODE_MISSING };
	void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	page.range.start = (uintptr_t)at;
	if (at == MAP_FAILED || fd < 0 || ioctl(fd, UFFDIO_API, &api) ||
	    ioctl(fd, UFFDIO_REGISTER, &page)) {
		perror("random_calls: no memory that never comes");
		return;
	}
	held = at;
}

/* @arg: which call. The socket is nobody else's: a TCP socket may wait for memory, locked. */
static void *held_call(void *arg)
{
	const uintptr_t dice = (uintptr_t)arg;
	const int fd = socket(AF_LISTENQ, SOCK_STREAM | SOCK_NONBLOCK, dice & 1);
	struct iovec iov = { .iov_base = held, .iov_len = 100 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (dice & 2)
		listen(fd, 8);
	switch (dice >> 2) {
	case 0:
		connect(fd, (struct sockaddr *)held, sizeof(struct sockaddr_in6));
		break;
	case 1:
		bind(fd, (struct sockaddr *)held, sizeof(struct sockaddr_in6));
		break;
	case 2:
		setsockopt(fd, SOL_LISTENQ, LQ_POLICY, held, 8);
		break;
	case 3:
		setsockopt(fd, SOL_LISTENQ, LQ_ACCEPT_FILTER, held, 256);
		break;
	case 4:
		getsockopt(fd, SOL_LISTENQ, LQ_INFO, held, (socklen_t *)(held + 64));
		break;
	case 5:
		sendto(fd, "x", 1, MSG_FASTOPEN | MSG_DONTWAIT, (struct sockaddr *)held, 16);
		break;
	case 6:
		sendmsg(fd, &msg, MSG_DONTWAIT);
		break;
	case 7:
		setsockopt(fd, IPPROTO_TCP, TCP_ULP, held, 3);
		break;
	case 8:
		getsockname(fd, (struct sockaddr *)held, (socklen_t *)(held + 64));
		break;
	default:
		setsockopt(fd, SOL_LISTENQ, LQ_SHARDS, held, 4);
	}
	return NULL;
}

static int hold(void)
{
	const uintptr_t dice = roll(40);
	pthread_t thread;

	if (!held || atomic_fetch_add(&held_calls, 1) >= HELD ||
	    pthread_create(&thread, NULL, held_call, (void *)dice))
		return -1;
	return pthread_detach(thread);
}

/* Of sockets, not of devices. */
static const unsigned int ioctls[] = { FIONREAD,   TIOCOUTQ,	 FIOASYNC,    SIOCATMARK,
				       SIOCGPGRP,  SIOCSPGRP,	 FIOGETOWN,   SIOCGSTAMP,
				       SIOCGIFCONF, 0x894b /* SIOCOUTQNSD */, 0xdead };

static int one(int *slot)
{
	struct sockaddr_storage to;
	socklen_t length = address(&to);
	struct pollfd poller = { .fd = *slot, .events = roll(0x10000) };
	int fd = *slot, value;

	if (fd <= 0 || !roll(12)) {
		if (fd > 0)
			close(fd);
		*slot = socket(roll(5) ? AF_LISTENQ : roll(2) ? AF_INET : AF_INET6,
			       (roll(20) ? SOCK_STREAM : roll(8)) | SOCK_NONBLOCK | SOCK_CLOEXEC,
			       roll(20) ? roll(2) : roll(300));
		value = 1;
		if (roll(2))
			setsockopt(*slot, SOL_SOCKET, SO_REUSEPORT, &value, sizeof(value));
		return *slot;
	}
	last = roll(36);
	switch (last) {
	case 0:
	case 1:
		return bind(fd, (struct sockaddr *)&to, length);
	case 2:
	case 3:
	case 4:
		return listen(fd, roll(4) ? (int)roll(20) : (int)roll(0xffffffff));
	case 5:
	case 6:
	case 7:
		return connect(fd, (struct sockaddr *)&to, length);
	case 8:
	case 9:
		value = accept4(fd, roll(2) ? (void *)&to : memory(64), roll(2) ? &length : NULL,
				roll(16) ? SOCK_NONBLOCK : (int)roll(0xffffffff) | SOCK_NONBLOCK);
		if (value >= 0)
			put(value);
		return value;
	case 10:
		return shutdown(fd, roll(4));
	case 11:
		return roll(2) ? getsockname(fd, memory(64), &length) :
				 getpeername(fd, (struct sockaddr *)&to, memory(4));
	case 12:
		return ioctl(fd, ioctls[roll(sizeof(ioctls) / sizeof(*ioctls))], memory(40));
	case 13:
		return poll(&poller, 1, 0);
	case 14:
		value = dup(fd);
		if (value >= 0) {
			close(fd);
			*slot = value;
		}
		return value;
	case 15:
		return mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0;
	case 16:
		return message(fd);
	case 17:
		return socketpair(AF_LISTENQ, SOCK_STREAM, roll(3), (int *)memory(8));
	case 18:
	case 19:
	case 20:
		return other_option(fd);
	case 21:
		return unspec(fd);
	case 22:
		return fastopen(fd, &to, length);
	case 23:
		return in_sockmap(fd);
	case 24:
	case 25:
	case 26:
		return ring_request(fd, &to, length);
	case 27:
		return roll(50) ? unspec(fd) : hold();
	case 28:
		return pass(fd);
	case 29:
		return setting();
	case 30:
		return sendfile(fd, file, &(off_t) { 0 }, roll(5000));
	default:
		return option(fd);
	}
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static void stuck(int number)
{
	(void)number;
	fprintf(stderr, "random_calls: stuck; the main thread is in call %lu, of kind %d\n", done,
		last);
	_exit(1);
}

static unsigned long count, seed;
static unsigned int minutes;
static atomic_ulong all_good;

/* In this thread's namespace. */
static void interface_up(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_UP };
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	if (ioctl(fd, SIOCSIFFLAGS, &request))
		perror("random_calls: SIOCSIFFLAGS");
	close(fd);
}

static void *calls(void *arg)
{
	const uintptr_t number = (uintptr_t)arg;
	double longest = 0, start = seconds();
	unsigned long slow = 0;
	int kind = 0;

	state = 88172645463325252ull + (seed + number * 1000003) * 2654435761ull;
	edge = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	/* Not unmapped: the next mapping, the ring's, would take the hole, and be written over. */
	if (edge == MAP_FAILED || mprotect(edge + 4096, 4096, PROT_NONE)) {
		perror("random_calls: mmap");
		exit(1);
	}
	if (number) {
		own_namespace = unshare(CLONE_NEWNET) == 0;
		if (!own_namespace)
			fprintf(stderr, "random_calls: no namespace: %s\n", strerror(errno));
		else
			interface_up("lo");
	}
	have_ring = io_uring_queue_init(64, &ring, 0) == 0;
	for (done = 0; done < count; done++) {
		const double begin = seconds();

		alarm(60 * minutes);
		good += one(&fds[roll(FDS)]) >= 0;
		if (seconds() - begin > longest) {
			longest = seconds() - begin;
			kind = last;
			slow = done;
		}
	}
	printf("%lu of %lu calls succeeded in %.1f s%s; the longest, %lu, of kind %d, took %.3f s\n",
	       good, count, seconds() - start, have_ring ? "" : ", without io_uring", slow, kind,
	       longest);
	all_good += good;
	if (have_ring)
		io_uring_queue_exit(&ring);
	return NULL;
}

int main(int argc, char **argv)
{
	const char *scale = getenv("LQ_TIME_SCALE");
	pthread_t threads[THREADS];
	uintptr_t wanted, i;

	if (argc != 3 && argc != 4) {
		fprintf(stderr, "usage: random_calls COUNT SEED [THREADS]\n");
		return 2;
	}
	minutes = scale && atoi(scale) > 0 ? atoi(scale) : 1;
	count = strtoul(argv[1], NULL, 10);
	seed = strtoul(argv[2], NULL, 10);
	wanted = argc == 4 ? strtoul(argv[3], NULL, 10) : 1;
	if (wanted < 1 || wanted > THREADS) {
		fprintf(stderr, "random_calls: 1 to %d threads\n", THREADS);
		return 2;
	}
	signal(SIGALRM, stuck);
	signal(SIGPIPE, SIG_IGN); /* kTLS and io_uring may send without MSG_NOSIGNAL */
	signal(SIGIO, SIG_IGN);
	sockmap = new_sockmap();
	file = open(argv[0], O_RDONLY | O_CLOEXEC);
	glob("/proc/sys/net/listenq/*", 0, NULL, &settings);
	hold_page();
	for (i = 1; i < wanted; i++) {
		if (pthread_create(&threads[i], NULL, calls, (void *)i)) {
			fprintf(stderr, "random_calls: no thread\n");
			return 1;
		}
	}
	calls(NULL);
	for (i = 1; i < wanted; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < FDS; i++) {
		if (fds[i] > 0)
			close(fds[i]);
	}
	/* Those whose memory never comes go with the process. */
	return all_good ? 0 : 1;
}
