#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Find out what this kernel's headers offer by compiling a few lines against them, and write
# compat/features.h to standard output. A kernel's version number says little: stable series
# and distributions change signatures without changing it in a way that one could test.
#
# usage: probe.sh COMPILER FLAGS...
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT INT TERM

# The flags must be able to compile something at all, or every feature would seem missing.
compiles() {
	cat >"$dir/probe.c"
	"$@" -Wno-error -Werror=implicit-function-declaration -Werror=incompatible-pointer-types \
		-fsyntax-only "$dir/probe.c" 2>"$dir/errors"
}

if ! echo '#include <net/tcp.h>' | compiles "$@"; then
	echo "probe.sh: the kernel headers do not compile:" >&2
	cat "$dir/errors" >&2
	exit 1
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

# The FIB of IPv6 can be asked for a next hop.
feature FIB6_LOOKUP "$@" <<-'C'
	#include <net/ip6_fib.h>
	#include <net/ipv6_stubs.h>
	int probe(struct net *net, struct flowi6 *fl6, struct fib6_result *res);
	int probe(struct net *net, struct flowi6 *fl6, struct fib6_result *res)
	{ return ipv6_stub->fib6_lookup(net, 0, fl6, res, 0); }
C
