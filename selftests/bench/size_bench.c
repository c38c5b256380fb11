// SPDX-License-Identifier: GPL-2.0
/*
 * What a listener takes when it is large: memory for each request, the cost of events beside a
 * million half-open requests or a hundred thousand connections, a dump of ten thousand listeners,
 * and how long softirqs wait meanwhile. For "scripts/vm --icount -m 2048M --append slab_nomerge":
 * the TSC counts instructions, and caches of the slab allocator can be told apart.
 *
 * Prints "name TAB number". Times that the function graph tracer gives are in its nanoseconds,
 * which are instructions, too.
 */
#define _GNU_SOURCE
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <time.h>

#include "bench.h"
#include "trace.h"

#define REQUESTS 64000 /* whole slabs: 1000 of 64 bytes */
#define FEW 1000
#define MILLION 1000000
#define SAMPLES 500
#define CONNECTIONS 100000
#define ACCEPTS 200
#define LISTENERS 10000
#define TIMER_RUNS 10 /* with a timeout of a second, those that look at every bucket four times */

static void row(const char *name, double value)
{
	printf("%s\t%.10g\n", name, value);
	fflush(stdout);
}

static uint64_t samples[SAMPLES];

/* --- waiting --- */

/* Polls until @met of @fd. Time is the VM's, which goes with its instructions. */
static void wait_until(bool (*met)(int fd), int fd, int seconds, const char *what)
{
	struct timespec now;
	time_t end;

	clock_gettime(CLOCK_MONOTONIC, &now);
	end = now.tv_sec + seconds;
	while (!met(fd)) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec > end) {
			fprintf(stderr, "size_bench: %d s were not enough until %s\n", seconds,
				what);
			exit(1);
		}
		usleep(20000);
	}
}

static bool timer_ran_often(int fd)
{
	double longest;

	(void)fd;
	return trace_calls("lq_timer", &longest) >= TIMER_RUNS;
}

/* TCP frees the requests of a closed listener when their own timers fire. */
static bool tcp_has_no_requests(int fd)
{
	static const char *const tables[] = { "/proc/net/tcp", "/proc/net/tcp6" };
	unsigned int state, found = 0;
	char line[512];

	(void)fd;
	for (int i = 0; i < 2 && !found; i++) {
		FILE *file = fopen(tables[i], "r");

		if (!file)
			die(tables[i]);
		while (!found && fgets(line, sizeof(line), file))
			found = sscanf(line, " %*d: %*s %*s %x", &state) == 1 &&
				state == TCP_SYN_RECV;
		fclose(file);
	}
	return !found;
}

/* --- memory --- */

#define PAGE 4096

/* Bytes of the slabs of @cache. */
static uint64_t slab(const char *cache)
{
	FILE *file = fopen("/proc/slabinfo", "r");
	unsigned long pages, slabs;
	char line[512], name[64];
	uint64_t bytes = 0;
	bool found = false;

	if (!file)
		die("/proc/slabinfo");
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line,
			   "%63s %*u %*u %*u %*u %lu : tunables %*u %*u %*u : slabdata %*u %lu",
			   name, &pages, &slabs) != 3 || strcmp(name, cache))
			continue;
		bytes = pages * slabs * PAGE;
		found = true;
	}
	fclose(file);
	if (!found)
		fail("no slab cache of its own (slab_nomerge?)", cache);
	return bytes;
}

/* What the module has from vmalloc(). */
static uint64_t vmalloc_bytes(void)
{
	FILE *file = fopen("/proc/vmallocinfo", "r");
	unsigned long pages;
	uint64_t bytes = 0;
	char line[512], *at;

	if (!file)
		die("/proc/vmallocinfo");
	while (fgets(line, sizeof(line), file)) {
		at = strstr(line, "[listenq]") ? strstr(line, "pages=") : NULL;
		if (at && sscanf(at, "pages=%lu", &pages) == 1)
			bytes += pages * PAGE;
	}
	fclose(file);
	return bytes;
}

/* What all slabs and all of vmalloc() take. (MemFree does not see pages that CPUs keep at hand.) */
static uint64_t kernel_bytes(void)
{
	FILE *file = fopen("/proc/meminfo", "r");
	unsigned long kilobytes, total = 0;
	char line[128];

	if (!file)
		die("/proc/meminfo");
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "Slab: %lu kB", &kilobytes) == 1 ||
		    sscanf(line, "VmallocUsed: %lu kB", &kilobytes) == 1)
			total += kilobytes;
	}
	fclose(file);
	return (uint64_t)total * 1024;
}

/* --- the listener --- */

static struct listenq_info info_of(int fd)
{
	struct listenq_info info;
	socklen_t length = sizeof(info);

	if (getsockopt(fd, SOL_LISTENQ, LQ_INFO, &info, &length))
		die("LQ_INFO");
	return info;
}

/* Its first timeout makes a request no longer young. */
static bool has_no_young(int fd)
{
	return info_of(fd).syn_young == 0;
}

static void expect_half_open(int fd, uint32_t count)
{
	const struct listenq_info info = info_of(fd);

	if (info.syn_qlen == count)
		return;
	fprintf(stderr, "size_bench: %u half-open, not %u\n", info.syn_qlen, count);
	exit(1);
}

/* Their SYN-ACKs are not read one by one: most are dropped by the device. */
static void half_open(uint16_t port, int count)
{
	while (count-- > 0) {
		const struct peer peer = new_peer(port);
		const struct packet packet = segment(&peer, SYN, 0, 0);

		inject(&packet);
	}
	drain(NULL);
}

/* A SYN from 2001:db8:1::/96. */
static struct packet syn_v6(uint16_t port, uint32_t n)
{
	const struct peer peer = { .addr = LOCAL + 1, .port = 10000 + n % 50000, .to = port,
				   .seq = 1000 };
	const struct packet v4 = segment(&peer, SYN, 0, 0);
	const size_t tcp_length = v4.length - 20;
	struct packet packet = { .length = 40 + tcp_length };
	uint8_t *ip = packet.bytes, *tcp = ip + 40;

	ip[0] = 0x60;
	put16(ip + 4, tcp_length);
	ip[6] = IPPROTO_TCP;
	ip[7] = 64;
	inet_pton(AF_INET6, "2001:db8:1::", ip + 8);
	put32(ip + 20, n);
	inet_pton(AF_INET6, "2001:db8::1", ip + 24);
	memcpy(tcp, v4.bytes + 20, tcp_length);
	put16(tcp + 16, 0);
	put16(tcp + 16, fold(sum16(tcp, tcp_length, sum16(ip + 8, 32, IPPROTO_TCP + tcp_length))));
	return packet;
}

static int listener_v6(enum kind kind, uint16_t port, int backlog)
{
	const struct sockaddr_in6 addr = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = kind == LQ ? socket(AF_LISTENQ, SOCK_STREAM, LISTENQ_PROTO_IPV6)
			    : socket(AF_INET6, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) || listen(fd, backlog))
		die("listener_v6");
	return fd;
}

/* --- the rows --- */

static void bench_request(enum kind kind, bool v6)
{
	static const char *const caches[2][2] = {
		{ "request_sock_TCP", "request_sock_TCPv6" },
		{ "listenq_request_v4", "listenq_request_v6" },
	};
	const uint16_t port = 1000 + kind * 10 + v6;
	const char *cache = caches[kind == LQ][v6];
	int fd = v6 ? listener_v6(kind, port, 1 << 20) : listener(kind, port, 1 << 20);
	const uint64_t before = slab(cache);
	char name[32];

	if (!v6) {
		half_open(port, REQUESTS);
	} else {
		for (int i = 0; i < REQUESTS; i++) {
			const struct packet packet = syn_v6(port, i);

			inject(&packet);
		}
		drain(NULL);
	}
	if (kind == LQ)
		expect_half_open(fd, REQUESTS);
	snprintf(name, sizeof(name), "request_%s_%s", v6 ? "v6" : "v4", kind == LQ ? "lq" : "tcp");
	row(name, (double)(slab(cache) - before) / REQUESTS);
	close(fd);
}

/* What any packet costs: TCP drops it for its checksum. */
static void bench_floor(void)
{
	sample_floor(samples, SAMPLES);
	row("floor", median(samples, SAMPLES));
}

/* SYNs and final ACKs, beside the half-open ones that are there. */
static void bench_costs(int fd, uint16_t port, int beside)
{
	static struct peer peers[SAMPLES];
	static uint32_t tsvals[SAMPLES];
	struct packet packet;
	char name[32];

	expect_half_open(fd, beside);
	for (int i = 0; i < SAMPLES; i++) {
		peers[i] = new_peer(port);
		packet = segment(&peers[i], SYN, 0, 0);
		samples[i] = inject(&packet);
		tsvals[i] = synack(&peers[i]);
	}
	snprintf(name, sizeof(name), "syn_%d", beside);
	row(name, median(samples, SAMPLES));
	for (int i = 0; i < SAMPLES; i++) {
		packet = segment(&peers[i], ACK, 0, tsvals[i]);
		samples[i] = inject(&packet);
		abandon(accepted(fd));
	}
	snprintf(name, sizeof(name), "ack_%d", beside);
	row(name, median(samples, SAMPLES));
	expect_half_open(fd, beside);
}

static double larger(double a, double b)
{
	return a > b ? a : b;
}

static void bench_million(void)
{
	const uint64_t slab_before = slab("listenq_request_v4"), kernel_before = kernel_bytes();
	const uint64_t vmalloc_before = vmalloc_bytes();
	const uint16_t port = 2000;
	uint64_t taken;
	int fd;

	/* Room for a million, and not for more than the power of two above. */
	sysctl("net/listenq/max_syn_backlog", "1000000");
	fd = listener(LQ, port, MILLION);
	half_open(port, FEW);
	bench_costs(fd, port, FEW);
	trace_begin();
	half_open(port, MILLION - FEW);
	trace_pause();
	row("listen_million_locked", larger(trace_longest("lq_core_resize"),
					    trace_longest("lq_core_rehash")));
	trace_end();
	expect_half_open(fd, MILLION);
	taken = slab("listenq_request_v4") - slab_before + vmalloc_bytes() - vmalloc_before;
	row("million_bytes", taken);
	row("million_kernel_bytes", (double)kernel_bytes() - kernel_before);
	bench_costs(fd, port, MILLION);

	/* One is due, and the clock hand goes round as fast as for a timeout of a second. */
	sysctl("net/listenq/synack_timeout_ms", "1000");
	trace_begin();
	half_open(port, 1);
	wait_until(timer_ran_often, fd, 10, "the timer had looked at all four times");
	trace_pause();
	row("timer_million", trace_longest("lq_timer"));
	row("timer_million_locked", trace_longest("lq_core_tick"));
	trace_end();

	expect_half_open(fd, MILLION + 1);
	trace_begin();
	close(fd);
	trace_pause();
	row("close_million_locked", trace_longest("lq_core_close"));
	trace_end();
	sysctl("net/listenq/synack_timeout_ms", "120000");
}

/* All come due in the second after they were made. */
static void bench_due(void)
{
	const uint16_t port = 2001;
	int fd;

	sysctl("net/listenq/synack_timeout_ms", "1000");
	fd = listener(LQ, port, REQUESTS);
	half_open(port, REQUESTS);
	expect_half_open(fd, REQUESTS);
	if (info_of(fd).syn_young != REQUESTS)
		fail("some came due before they were measured", "");
	trace_begin();
	wait_until(has_no_young, fd, 10, "every request had come due");
	trace_pause();
	drain(NULL);
	row("timer_due", trace_longest("lq_timer"));
	row("timer_due_locked", trace_longest("lq_core_tick"));
	trace_end();
	close(fd);
	sysctl("net/listenq/synack_timeout_ms", "120000");
}

static void bench_accept(void)
{
	const uint16_t port = 2002;
	int fd = listener(LQ, port, 2 * CONNECTIONS);
	char name[32];

	for (int queued = 1; queued <= CONNECTIONS; queued += CONNECTIONS - 1) {
		while (info_of(fd).accept_qlen < (uint32_t)queued)
			queue_connection(port);
		for (int i = 0; i < ACCEPTS; i++) {
			samples[i] = timed_accept(fd);
			queue_connection(port);
		}
		snprintf(name, sizeof(name), "accept_%d", queued);
		row(name, median(samples, ACCEPTS));
		if (queued == 1)
			abandon(accepted(fd));
	}
	trace_begin();
	close(fd);
	trace_pause();
	row("close_accept_locked", trace_longest("lq_core_close"));
	trace_end();
}

/* --- a dump --- */

static int take_family(const struct nlattr *attr, void *data)
{
	if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID)
		*(uint16_t *)data = mnl_attr_get_u16(attr);
	return MNL_CB_OK;
}

static int take_control(const struct nlmsghdr *nlh, void *data)
{
	return mnl_attr_parse(nlh, sizeof(struct genlmsghdr), take_family, data);
}

static int take_listener(const struct nlmsghdr *nlh, void *data)
{
	(void)nlh;
	++*(int *)data;
	return MNL_CB_OK;
}

static struct nlmsghdr *message(void *buffer, uint16_t type, uint16_t flags, uint8_t command_id)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct genlmsghdr *genl;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = command_id;
	genl->version = 1;
	return nlh;
}

/* Instructions of all system calls that it takes; *longest of one. */
static uint64_t dump(int expected, uint64_t *longest)
{
	static char buffer[1 << 15];
	struct mnl_socket *nl = mnl_socket_open(NETLINK_GENERIC);
	uint64_t total = 0, before, taken;
	struct nlmsghdr *nlh;
	uint16_t family = 0;
	int found = 0, result;
	ssize_t length;

	if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID))
		die("netlink");
	nlh = message(buffer, GENL_ID_CTRL, 0, CTRL_CMD_GETFAMILY);
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, LISTENQ_GENL_NAME);
	mnl_socket_sendto(nl, nlh, nlh->nlmsg_len);
	length = mnl_socket_recvfrom(nl, buffer, sizeof(buffer));
	if (mnl_cb_run(buffer, length, 0, 0, take_control, &family) < 0 || !family)
		die("family listenq");

	*longest = 0;
	nlh = message(buffer, family, NLM_F_DUMP, LISTENQ_CMD_LISTENER_GET);
	before = __rdtsc();
	mnl_socket_sendto(nl, nlh, nlh->nlmsg_len);
	taken = __rdtsc() - before;
	do {
		total += taken;
		*longest = taken > *longest ? taken : *longest;
		before = __rdtsc();
		length = mnl_socket_recvfrom(nl, buffer, sizeof(buffer));
		taken = __rdtsc() - before;
		result = mnl_cb_run(buffer, length, 0, 0, take_listener, &found);
		if (result < 0)
			die("dump");
	} while (result > 0);
	mnl_socket_close(nl);
	if (found != expected)
		fail("not every listener was in the dump", "");
	return total + taken;
}

static void bench_dump(void)
{
	static int fds[LISTENERS];
	uint64_t longest, call = UINT64_MAX;
	double locked, counters;
	int count = 0;

	for (int wanted = FEW; wanted <= LISTENERS; wanted += LISTENERS - FEW) {
		char name[32];

		for (; count < wanted; count++)
			fds[count] = listener(LQ, 10000 + count, 8);
		dump(count, &longest); /* pages and the like */
		snprintf(name, sizeof(name), "dump_%d", count);
		row(name, (double)dump(count, &longest) / count);
	}
	/* The first may have been interrupted in its longest call; not each of them. */
	for (int i = 0; i < 4; i++) {
		dump(count, &longest);
		call = longest < call ? longest : call;
	}
	row("dump_call", call);
	trace_begin();
	dump(count, &longest);
	trace_pause();
	row("dump_listed", trace_longest("lq_listener_get_dumpit"));
	locked = trace_longest("lq_core_info");
	counters = trace_longest("lq_core_counters");
	row("dump_locked", locked + counters);
	trace_end();
	while (count > 0)
		close(fds[--count]);
}

int main(void)
{
	open_namespace();
	/* A workqueue adds the route that makes the address ours. */
	command("ip -6 addr add 2001:db8::1/32 dev tun0 nodad && "
		"until ip -6 route get 2001:db8::1 | grep -q ^local; do sleep 0.1; done");
	sysctl("net/core/somaxconn", "1048576");
	sysctl("net/ipv4/tcp_max_syn_backlog", "1048576");
	sysctl("net/listenq/max_syn_backlog", "1048576");
	sysctl("net/ipv4/tcp_syncookies", "1");
	sysctl("net/listenq/syncookies", "1");
	/* Nothing comes due while it is measured. */
	sysctl("net/listenq/synack_timeout_ms", "120000");
	trace_setup("lq_timer lq_core_tick lq_core_resize lq_core_rehash lq_core_close "
		    "lq_listener_get_dumpit lq_core_info lq_core_counters");
	bench_request(TCP, false);
	bench_request(TCP, true);
	wait_until(tcp_has_no_requests, -1, 30, "TCP had freed what its closed listeners left");
	bench_request(LQ, false);
	bench_request(LQ, true);
	bench_floor();
	bench_million();
	bench_due();
	bench_accept();
	bench_dump();
	return 0;
}
