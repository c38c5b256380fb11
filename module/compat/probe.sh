#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Find out what this kernel offers, and write compat/features.h to standard output: what its
# headers declare, by compiling a few lines against them; what it exports to modules, by its
# Module.symvers, as a declaration proves nothing there. A kernel's version number says little:
# stable series and distributions change signatures, and lose exports, without changing it in a
# way that one could test.
#
# What has a replacement is in compat/replace.h. A kernel that lacks what has none ends the build
# with a sentence that names it.
#
# usage: probe.sh MODULE.SYMVERS COMPILER FLAGS...
set -eu

symvers=$1
shift
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT INT TERM

# The flags must be able to compile something at all, or every feature would seem missing.
compiles() {
	cat >"$dir/probe.c"
	"$@" -Wno-error -Werror=implicit-function-declaration -Werror=incompatible-pointer-types \
		-fsyntax-only "$dir/probe.c" 2>"$dir/errors"
}

stop() {
	echo "listenq: $*" >&2
	exit 1
}

[ -s "$symvers" ] ||
	stop "no ${symvers##*/} where the kernel's headers are: they are installed by half, or the kernel was not built"

if ! echo '#include <net/tcp.h>' | compiles "$@"; then
	cat "$dir/errors" >&2
	stop "the kernel's headers do not compile: they are installed by half, or $1 is not their compiler"
fi

# feature NAME: the program on standard input compiles
feature() {
	name=$1
	shift
	if compiles "$@"; then
		echo "#define LQ_HAVE_$name 1"
	else
		echo "/* no $name */"
	fi
}

exported() {
	awk -v name="$1" '$2 == name { found = 1 } END { exit !found }' "$symvers"
}

# replaced NAME: the kernel exports it, or replace.h has something in its place
replaced() {
	if exported "$1"; then
		echo "#define LQ_EXPORTS_$(echo "$1" | tr '[:lower:]' '[:upper:]') 1"
	else
		echo "/* does not export $1 */"
	fi
}

# What no other kernel function could do. modpost would name these, too, but only after all else
# was compiled, and not say that there is no way around.
for name in __inet_lookup_established __inet_lookup_listener __inet6_lookup_established \
	inet6_lookup_listener inet_protos inet6_protos inet_stream_ops tcp_prot ip_local_out ip6_xmit \
	sock_edemux sock_gen_put sk_filter_trim_cap security_inet_conn_request security_sock_graft \
	reuseport_migrate_sock tcp_register_ulp register_kprobe; do
	exported "$name" ||
		stop "this kernel does not export $name, which nothing can stand for: listenq cannot be built for it (docs/kernels.md)"
done

echo "/* SPDX-License-Identifier: GPL-2.0 */"
echo "/* Written by compat/probe.sh for this kernel. */"

# proto_ops.accept and proto.accept take one struct (mainline 6.10).
feature PROTO_ACCEPT_ARG "$@" <<-'C'
	#include <net/sock.h>
	int probe(struct proto_accept_arg *arg);
	int probe(struct proto_accept_arg *arg) { return arg->is_empty; }
C

# connect() takes an address of no particular size (mainline 6.19).
feature SOCKADDR_UNSIZED "$@" <<-'C'
	#include <linux/net.h>
	int probe(struct socket *sock, struct sockaddr_unsized *addr, int length, int flags);
	struct proto_ops ops = { .connect = probe };
C

# accept() makes the child's own locks (mainline 6.8, 6.1.76).
feature INIT_CSK_LOCKS "$@" <<-'C'
	#include <net/inet_connection_sock.h>
	void probe(struct sock *sk);
	void probe(struct sock *sk) { inet_init_csk_locks(sk); }
C

# syn_recv_sock() has a seventh argument, opt_child_init (6.1.192, 6.12.117).
feature SYN_RECV_SOCK_7 "$@" <<-'C'
	#include <net/inet_connection_sock.h>
	struct sock *probe(struct inet_connection_sock_af_ops *ops);
	struct sock *probe(struct inet_connection_sock_af_ops *ops)
	{ return ops->syn_recv_sock(NULL, NULL, NULL, NULL, NULL, NULL, NULL); }
C

# Handlers of sysctls get a const table (mainline 6.11).
feature CONST_CTL_TABLE "$@" <<-'C'
	#include <linux/sysctl.h>
	static int handler(const struct ctl_table *t, int w, void *b, size_t *l, loff_t *p)
	{ return 0; }
	proc_handler *probe = handler;
C

# Tables are registered with their length (mainline 6.6).
feature REGISTER_NET_SYSCTL_SZ "$@" <<-'C'
	#include <net/net_namespace.h>
	#include <linux/sysctl.h>
	void *probe(struct net *net);
	void *probe(struct net *net) { return register_net_sysctl_sz(net, "x", NULL, 0); }
C

# inet_sock's flags are bits behind inet_test_bit() (mainline 6.6).
feature INET_TEST_BIT "$@" <<-'C'
	#include <net/inet_sock.h>
	bool probe(struct sock *sk);
	bool probe(struct sock *sk) { return inet_test_bit(TRANSPARENT, sk); }
C

# So is the reflection of flow labels (mainline 6.8).
feature INET6_REPFLOW_BIT "$@" <<-'C'
	#include <linux/ipv6.h>
	#include <net/inet_sock.h>
	bool probe(struct sock *sk);
	bool probe(struct sock *sk) { return inet6_test_bit(REPFLOW, sk); }
C

# TCP-AO keys on a socket (mainline 6.7).
feature TCP_AO_INFO "$@" <<-'C'
	#include <linux/tcp.h>
	bool probe(struct tcp_sock *tp);
	bool probe(struct tcp_sock *tp) { return rcu_access_pointer(tp->ao_info); }
C

# TCP-MD5 and TCP-AO options are read together (mainline 6.7).
feature TCP_PARSE_AUTH_OPTIONS "$@" <<-'C'
	#include <net/tcp.h>
	int probe(const struct tcphdr *th, const u8 **md5, const struct tcp_ao_hdr **ao);
	int probe(const struct tcphdr *th, const u8 **md5, const struct tcp_ao_hdr **ao)
	{ return tcp_parse_auth_options(th, md5, ao); }
C

# A reset has a reason (mainline 6.10).
feature RST_REASON "$@" <<-'C'
	#include <net/request_sock.h>
	#include <net/rstreason.h>
	void probe(const struct request_sock_ops *ops);
	void probe(const struct request_sock_ops *ops)
	{ ops->send_reset(NULL, NULL, SK_RST_REASON_NOT_SPECIFIED); }
C

# A request knows whether its timestamps count microseconds (mainline 6.7).
feature REQ_USEC_TS "$@" <<-'C'
	#include <linux/tcp.h>
	void probe(struct tcp_request_sock *treq);
	void probe(struct tcp_request_sock *treq) { treq->req_usec_ts = false; }
C

# A file whose last reference may be going is held by a function (mainline 6.7).
feature GET_FILE_ACTIVE "$@" <<-'C'
	#include <linux/fs.h>
	struct file *probe(struct file **file);
	struct file *probe(struct file **file) { return get_file_active(file); }
C

# The FIBs can be asked for a next hop, and it has a route for each CPU. Where not, the kernel is asked
# for each route: shim/route_fib.c.
if exported fib_table_lookup && exported __ip_dev_find; then
	feature FIB4_LOOKUP "$@" <<-'C'
		#include <linux/inetdevice.h>
		#include <net/ip_fib.h>
		#include <net/nexthop.h>
		#include <net/route.h>
		void *probe(struct fib_table *table, const struct flowi4 *fl4, struct fib_result *res);
		void *probe(struct fib_table *table, const struct flowi4 *fl4, struct fib_result *res)
		{
			if (fib_table_lookup(table, fl4, res, FIB_LOOKUP_NOREF) ||
			    fib_info_num_path(res->fi) != 1 || res->table->tb_num_default > 1 ||
			    rcu_access_pointer(res->nhc->nhc_exceptions))
				return NULL;
			return rcu_dereference(*raw_cpu_ptr(res->nhc->nhc_pcpu_rth_output));
		}
	C
fi
# IPv6's is called by name (mainline 7.1), or by its stub.
if exported fib6_lookup; then
	feature FIB6_LOOKUP "$@" <<-'C'
		#include <net/ip6_fib.h>
		int probe(struct net *net, struct flowi6 *fl6, struct fib6_result *res);
		int probe(struct net *net, struct flowi6 *fl6, struct fib6_result *res)
		{ return fib6_lookup(net, 0, fl6, res, 0); }
	C
elif exported ipv6_stub; then
	feature FIB6_STUB_LOOKUP "$@" <<-'C'
		#include <net/ip6_fib.h>
		#include <net/ipv6_stubs.h>
		int probe(struct net *net, struct flowi6 *fl6, struct fib6_result *res);
		int probe(struct net *net, struct flowi6 *fl6, struct fib6_result *res)
		{ return ipv6_stub->fib6_lookup(net, 0, fl6, res, 0); }
	C
fi
# What it gives leads to that route, if there is one way only.
feature FIB6_NEXTHOP "$@" <<-'C'
	#include <net/ip6_fib.h>
	void *probe(const struct fib6_result *res);
	void *probe(const struct fib6_result *res)
	{
		if (res->f6i->nh || res->f6i->fib6_nsiblings ||
		    rcu_access_pointer(res->nh->rt6i_exception_bucket))
			return NULL;
		return *raw_cpu_ptr(res->nh->rt6i_pcpu);
	}
C

# Lookups are given the table (until mainline 6.17, where it is the namespace's).
feature LOOKUP_HASHINFO "$@" <<-'C'
	#include <net/inet_hashtables.h>
	struct sock *probe(struct net *net, struct inet_hashinfo *table);
	struct sock *probe(struct net *net, struct inet_hashinfo *table)
	{ return __inet_lookup_established(net, table, 0, 0, 0, 0, 0, 0); }
C

# A function gives the owner's uid (mainline 6.17); before, sock_i_uid().
feature SK_UID "$@" <<-'C'
	#include <net/sock.h>
	kuid_t probe(const struct sock *sk);
	kuid_t probe(const struct sock *sk) { return sk_uid(sk); }
C

# struct proto says where orphans are counted (until mainline 6.17).
feature PROTO_ORPHAN_COUNT "$@" <<-'C'
	#include <net/sock.h>
	void probe(struct sock *sk);
	void probe(struct sock *sk) { this_cpu_inc(*sk->sk_prot->orphan_count); }
C

# A socket has its own longest timeout (mainline 6.15).
feature TCP_RTO_MAX "$@" <<-'C'
	#include <net/tcp.h>
	unsigned int probe(const struct sock *sk);
	unsigned int probe(const struct sock *sk) { return tcp_rto_max(sk); }
C

# --- exports: what compat/replace.h stands for elsewhere ---

for name in inet_csk_destroy_sock inet_csk_route_req inet6_csk_route_req ipv6_opt_accepted \
	tcp_do_parse_auth_options; do
	replaced "$name"
done
