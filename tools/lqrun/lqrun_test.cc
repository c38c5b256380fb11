// SPDX-License-Identifier: GPL-2.0
/*
 * Runs the built lqrun on small programs: with family 200, which no kernel has, and with
 * fake_listenq.so, which stands for a kernel with the module.
 */
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <regex>
#include <string>

#include "environment.hh"

namespace {

namespace fs = std::filesystem;

const fs::path tests = fs::read_symlink("/proc/self/exe").parent_path();
const std::string lqrun_file = fs::path(tests).parent_path() / "lqrun";
const std::string probe = tests / "helpers/probe";
const std::string fake = tests / "helpers/fake_listenq.so";

struct Result {
	int status;
	std::string out; /* stdout and stderr, "[123]" as "[pid]", ":12345" as ":port" */
};

Result run(const std::string &command)
{
	FILE *pipe = popen(("exec 2>&1; " + command).c_str(), "r");
	std::string out;
	char part[4096];
	for (std::size_t size; (size = fread(part, 1, sizeof(part), pipe)) > 0;)
		out.append(part, size);
	int status = pclose(pipe);
	return {WIFEXITED(status) ? WEXITSTATUS(status) : -1,
		std::regex_replace(std::regex_replace(out, std::regex("\\[[0-9]+\\]"), "[pid]"),
				   std::regex(":[0-9]{4,5}\\b"), ":port")};
}

Result lqrun(const std::string &arguments)
{
	return run(lqrun_file + ' ' + arguments);
}

/* Unbuffered, so that the probe's and the library's lines keep their order. */
Result lqrun_fake(const std::string &options, const std::string &calls,
		  const std::string &environment = "")
{
	return run(environment + " LD_PRELOAD=" + fake + " stdbuf -o0 " + lqrun_file + ' ' +
		   options + ' ' + probe + ' ' + calls);
}

std::string call(int domain, int type, int protocol)
{
	return "socket:" + std::to_string(domain) + ':' + std::to_string(type) + ':' +
	       std::to_string(protocol);
}

const std::string tcp4 = call(AF_INET, SOCK_STREAM, 0);
const std::string tcp6 = call(AF_INET6, SOCK_STREAM, 0);

void expect_one_line(const Result &result, int status, const std::string &part)
{
	EXPECT_EQ(result.status, status) << result.out;
	EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 1) << result.out;
	EXPECT_EQ(result.out.find("lqrun: "), 0u) << result.out;
	EXPECT_NE(result.out.find(part), std::string::npos) << result.out;
}

/* What is said of family 200, up to the consequence; whether the module is loaded here, or not. */
const std::string why_200 = "lqrun[pid]: family 200 is not supported: the listenq module " +
			    (fs::exists("/sys/module/listenq")
				     ? std::string("was loaded with family=18 (\"lqrun -f 18\"): ")
				     : std::string("is not loaded (\"modprobe listenq\"): "));

long occurrences(const std::string &text, const std::string &part)
{
	long count = 0;
	for (auto at = text.find(part); at != text.npos; at = text.find(part, at + 1))
		count++;
	return count;
}

/* --- the options --- */

TEST(options, bad_usage_is_one_line_and_1)
{
	expect_one_line(lqrun(""), 1, "no program to run");
	expect_one_line(lqrun("-x true"), 1, "unknown option \"-x\"");
	expect_one_line(lqrun("--nope true"), 1, "unknown option \"--nope\"");
	expect_one_line(lqrun("-vx true"), 1, "unknown option \"-x\"");
	expect_one_line(lqrun("-9 true"), 1, "unknown option \"-9\"");
	expect_one_line(lqrun("-b"), 1, "--backlog: 1 required N missing");
	expect_one_line(lqrun("-v --"), 1, "no program to run");
	expect_one_line(lqrun("--strict=perhaps true"), 1, "--strict");
	for (const char *bad : {"", "-b", "--nope true", "-b many true"})
		EXPECT_NE(lqrun(bad).out.find("see \"lqrun --help\"\n"), std::string::npos) << bad;
}

TEST(options, unknown_before_program_is_not_the_programs)
{
	expect_one_line(lqrun("--opt=x " + probe + " --help"), 1, "unknown option \"--opt=x\"");
	expect_one_line(lqrun("--nope -v -- " + probe), 1, "unknown option \"--nope\"");
}

TEST(options, bad_backlog)
{
	for (const char *bad : {"-2", "2147483648", "many", "''", "1.5"}) {
		expect_one_line(lqrun(std::string("-b ") + bad + " true"), 1,
				"a number from 0 to 2147483647");
		expect_one_line(run(std::string("LISTENQ=") + bad + ' ' + lqrun_file + " true"), 1,
				"$LISTENQ: \"");
	}
}

TEST(options, bad_filter)
{
	for (const char *bad : {"bpf", "''", "http", "HTTPREADY"})
		expect_one_line(lqrun(std::string("-a ") + bad + " true"), 1,
				"use dataready, httpready, dnsready or tlsready");
}

TEST(options, bad_family)
{
	for (const char *bad : {"0", "-1", "256", "inet"})
		expect_one_line(lqrun(std::string("-f ") + bad + " true"), 1,
				"a number from 1 to 255");
}

TEST(options, help_and_version)
{
	EXPECT_EQ(lqrun("--help").status, 0);
	EXPECT_NE(lqrun("--help").out.find("\nUsage: lqrun [OPTIONS] PROGRAM [ARGUMENTS...]\n"),
		  std::string::npos);
	EXPECT_EQ(lqrun("-v -h " + probe).out, lqrun("--help").out);
	EXPECT_EQ(lqrun("--version").status, 0);
	EXPECT_EQ(lqrun("--version").out.find("lqrun "), 0u);
}

TEST(options, after_program_are_the_programs)
{
	EXPECT_EQ(lqrun(probe + " -b --help").out, "argument -b\nargument --help\n");
	EXPECT_EQ(lqrun(probe + " -g 'daemon off;' -v --strict").out,
		  "argument -g\nargument daemon off;\nargument -v\nargument --strict\n");
	EXPECT_EQ(lqrun("--backlog=5 " + probe + " --help -b 7 env:LISTENQ").out,
		  "argument --help\nargument -b\nargument 7\n5\n");
	EXPECT_EQ(lqrun("-s " + probe + " -- -v '[a,b]' ''").out,
		  "argument --\nargument -v\nargument [a,b]\nargument \n");
}

TEST(options, end_at_two_dashes)
{
	EXPECT_EQ(lqrun("-- " + probe + " -v").out, "argument -v\n");
	EXPECT_EQ(lqrun("-b 5 -- " + probe + " -- -b 7 env:LISTENQ").out,
		  "argument --\nargument -b\nargument 7\n5\n");
	expect_one_line(lqrun("-- --version"), 127, "\"--version\" was not found");
}

TEST(options, the_last_one_counts)
{
	EXPECT_EQ(
		lqrun("-b 5 --backlog=6 -b7 -f 3 -f 200 " + probe + " env:LISTENQ env:LQRUN_FAMILY")
			.out,
		"7\n200\n");
}

TEST(options, reach_the_program_as_environment)
{
	EXPECT_EQ(lqrun("-b 5 -f 200 -s -v " + probe +
			" env:LISTENQ env:LQRUN_FAMILY env:LQRUN_STRICT env:LQRUN_VERBOSE")
			  .out,
		  "5\n200\n1\n1\n");
	EXPECT_EQ(lqrun(probe + " env:LISTENQ env:LQRUN_STRICT").out, "unset\nunset\n");
}

/* --- the program --- */

TEST(program, exit_status_is_the_programs)
{
	EXPECT_EQ(lqrun("sh -c 'exit 42'").status, 42);
}

TEST(program, not_found_and_not_executable)
{
	expect_one_line(lqrun("no-such-program"), 127, "was not found");
	expect_one_line(lqrun("/no/such/program"), 127, "was not found");
	expect_one_line(lqrun("/etc/passwd"), 126, "cannot be executed");
	expect_one_line(lqrun("/"), 126, "cannot be executed");
}

TEST(program, static_is_refused)
{
	expect_one_line(lqrun(probe + "_static"), 1, "linked statically");
}

TEST(program, preloads_go_in_front_and_once)
{
	EXPECT_EQ(run("LD_PRELOAD=" + fake + ' ' + lqrun_file + ' ' + lqrun_file + ' ' + probe +
		      " env:LD_PRELOAD")
			  .out,
		  (fs::path(tests).parent_path() / "liblqrun.so").string() + ':' + fake + '\n');
}

/* --- socket() --- */

TEST(socket, tcp_moves)
{
	EXPECT_EQ(lqrun_fake("", tcp4).out, "socket(18, 1, 0)\ndomain 2\n");
	EXPECT_EQ(lqrun_fake("", tcp6).out, "socket(18, 1, 1)\ndomain 10\n");
	EXPECT_EQ(lqrun_fake("", call(AF_INET, SOCK_STREAM, IPPROTO_TCP)).out,
		  "socket(18, 1, 0)\ndomain 2\n");
}

TEST(socket, type_flags_are_kept)
{
	EXPECT_EQ(lqrun_fake("", call(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 6)).out,
		  "socket(18, " + std::to_string(SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC) +
			  ", 1)\ndomain 10\n");
}

TEST(socket, everything_else_stays)
{
	struct {
		int domain, type, protocol;
	} calls[] = {{AF_UNIX, SOCK_STREAM, 0},	     {AF_INET, SOCK_DGRAM, 0},
		     {AF_INET6, SOCK_DGRAM, 0},	     {AF_INET, SOCK_RAW, IPPROTO_ICMP},
		     {AF_INET, SOCK_STREAM, 132},    {AF_INET, SOCK_STREAM, 262},
		     {AF_INET, SOCK_SEQPACKET, 132}, {AF_NETLINK, SOCK_RAW, 0}};
	for (auto [domain, type, protocol] : calls)
		EXPECT_EQ(lqrun_fake("-v", call(domain, type, protocol))
				  .out.find("socket(" + std::to_string(domain) + ", " +
					    std::to_string(type) + ", " + std::to_string(protocol) +
					    ")\n"),
			  0u)
			<< domain << ' ' << type << ' ' << protocol;
}

TEST(socket, verbose)
{
	EXPECT_EQ(lqrun_fake("-v", tcp4 + ' ' + tcp6).out,
		  "socket(18, 1, 0)\n"
		  "lqrun[pid]: socket 3: TCP/IPv4 on AF_LISTENQ\n"
		  "domain 2\n"
		  "socket(18, 1, 1)\n"
		  "lqrun[pid]: socket 4: TCP/IPv6 on AF_LISTENQ\n"
		  "domain 10\n");
}

TEST(socket, errno_is_kept)
{
	EXPECT_EQ(lqrun("-f 200 " + probe + ' ' + tcp4 + " errno 2>/dev/null").out,
		  "domain 2\nerrno 0\n");
}

TEST(socket, unsupported_falls_back_and_says_so_once)
{
	Result result = lqrun("-f 200 stdbuf -o0 " + probe + ' ' + tcp4 + ' ' + tcp4);
	EXPECT_EQ(result.status, 0);
	EXPECT_EQ(result.out, why_200 + "using the kernel's own TCP\ndomain 2\ndomain 2\n");
}

TEST(socket, unsupported_and_strict_fails)
{
	Result result = lqrun("-s -f 200 stdbuf -o0 " + probe + ' ' + tcp4 + " errno " + tcp4);
	EXPECT_EQ(result.out, why_200 + "socket() fails, because of --strict\n"
					"errno 97\nerrno 97\nerrno 97\n");
}

TEST(socket, not_permitted_falls_back_and_says_what_helps)
{
	for (const char *number : {"1", "13"}) {
		const std::string setting = std::string("FAKE_SOCKET=") + number;
		Result result = lqrun_fake("", tcp4 + ' ' + tcp4, setting);
		for (const char *part : {"AppArmor", "network ash stream,", "SELinux", "seccomp",
					 "RestrictAddressFamilies=", "using the kernel's own TCP"})
			EXPECT_NE(result.out.find(part), std::string::npos) << result.out;
		EXPECT_EQ(result.out.find("loaded"), std::string::npos) << result.out;
		EXPECT_EQ(occurrences(result.out, "lqrun[pid]: "), 1) << result.out;
		EXPECT_EQ(occurrences(result.out, "domain 2\n"), 2) << result.out;
		result = lqrun_fake("-s", tcp4, setting);
		EXPECT_NE(result.out.find("because of --strict"), std::string::npos) << result.out;
		EXPECT_NE(result.out.find(std::string("errno ") + number + '\n'), std::string::npos)
			<< result.out;
	}
}

TEST(socket, other_errors_are_the_programs)
{
	EXPECT_EQ(lqrun_fake("", tcp4, "FAKE_SOCKET=24").out, "socket(18, 1, 0)\nerrno 24\n");
}

TEST(socket, settings_survive_fork_and_exec)
{
	EXPECT_EQ(lqrun_fake("sh -c '" + probe + ' ' + tcp4 + "; :' #", "").out,
		  "socket(18, 1, 0)\ndomain 2\n");
}

/* --- listen() --- */

TEST(listen, backlog_of_the_program)
{
	EXPECT_EQ(lqrun_fake("-v", tcp4 + " listen:511 2>/dev/null").out,
		  "socket(18, 1, 0)\ndomain 2\nlisten(511)\nlisten 0\n");
}

TEST(listen, backlog_of_the_option)
{
	EXPECT_EQ(lqrun_fake("-b 1024", tcp4 + " listen:511").out,
		  "socket(18, 1, 0)\ndomain 2\nlisten(1024)\nlisten 0\n");
	EXPECT_EQ(lqrun_fake("-b 0", tcp4 + " listen:511").out,
		  "socket(18, 1, 0)\ndomain 2\nlisten(0)\nlisten 0\n");
}

/* As UNP's Listen() has it: listen() takes it for as many as there may be. */
TEST(listen, backlog_of_minus_one)
{
	EXPECT_EQ(lqrun_fake("-b -1", tcp4 + " listen:511").out,
		  "socket(18, 1, 0)\ndomain 2\nlisten(-1)\nlisten 0\n");
	EXPECT_EQ(lqrun_fake("-v", tcp4 + " listen:511", "LISTENQ=-1").out,
		  "socket(18, 1, 0)\n"
		  "lqrun[pid]: socket 3: TCP/IPv4 on AF_LISTENQ\n"
		  "domain 2\n"
		  "lqrun[pid]: listen(3, 511) -> backlog -1\n"
		  "listen(-1)\nlisten 0\n");
}

TEST(listen, backlog_of_the_environment)
{
	EXPECT_EQ(lqrun_fake("", tcp4 + " listen:511", "LISTENQ=7").out,
		  "socket(18, 1, 0)\ndomain 2\nlisten(7)\nlisten 0\n");
	EXPECT_EQ(lqrun_fake("-b 8", tcp4 + " listen:511", "LISTENQ=7").out,
		  "socket(18, 1, 0)\ndomain 2\nlisten(8)\nlisten 0\n");
}

TEST(listen, verbose)
{
	EXPECT_EQ(lqrun_fake("-v -b 1024", tcp4 + " listen:511 errno").out,
		  "socket(18, 1, 0)\n"
		  "lqrun[pid]: socket 3: TCP/IPv4 on AF_LISTENQ\n"
		  "domain 2\n"
		  "lqrun[pid]: listen(3, 511) -> backlog 1024\n"
		  "listen(1024)\nlisten 0\nerrno 0\n");
}

TEST(listen, accept_filter)
{
	EXPECT_EQ(lqrun_fake("-a httpready", tcp4 + " listen:511 errno").out,
		  "socket(18, 1, 0)\ndomain 2\nlisten(511)\nfilter(httpready, 256)\nlisten 0\n"
		  "errno 0\n");
	// The second time it has one.
	EXPECT_EQ(lqrun_fake("-b 3 -a tlsready", tcp4 + " listen:511 listen:5").out,
		  "socket(18, 1, 0)\ndomain 2\nlisten(3)\nfilter(tlsready, 256)\nlisten 0\n"
		  "listen(3)\nlisten 0\n");
	EXPECT_EQ(lqrun_fake("-a dataready", call(AF_INET, SOCK_STREAM, 262) + " listen:5")
			  .out.find("filter"),
		  std::string::npos);
}

TEST(listen, other_sockets_keep_their_backlog)
{
	EXPECT_EQ(lqrun_fake("-b 1024", call(AF_INET, SOCK_STREAM, 262) + " listen:5")
			  .out.find("listen(1024)"),
		  std::string::npos);
	EXPECT_EQ(lqrun("-b 1024 -f 200 " + probe + ' ' + tcp4 + " listen:5 errno 2>/dev/null").out,
		  "domain 2\nlisten 0\nerrno 0\n");
}

/* --- listeners that did not come from socket() --- */

const std::string not_taken = "lqrun[pid]: probe: fd 3, 0.0.0.0:port, is plain TCP's: ";

TEST(plain, taken_over_where_the_module_can)
{
	EXPECT_EQ(lqrun_fake("", "raw listen:5 errno", "FAKE_ULP=0").out,
		  "raw 3\nlisten(5)\nlisten 0\nerrno 0\n");
	EXPECT_EQ(lqrun_fake("-s -v -b 7 -a httpready", "raw listen:5", "FAKE_ULP=0").out,
		  "raw 3\nlqrun[pid]: socket 3: 0.0.0.0:0 taken over from TCP\n"
		  "lqrun[pid]: listen(3, 5) -> backlog 7\n"
		  "listen(7)\nfilter(httpready, 256)\nlqrun[pid]: accept filter of 3: httpready\n"
		  "listen 0\n");
}

TEST(plain, said_once_with_reason_and_remedy)
{
	EXPECT_EQ(lqrun_fake("", "raw listen:5 listen:6 errno", "FAKE_ULP=95").out,
		  "raw 3\nlisten(5)\n" + not_taken +
			  "it has what listenq does not do (TCP_SAVE_SYN, MD5 or AO keys); "
			  "without that, \"lqctl adopt :port\"\n"
			  "listen 0\nlisten(6)\nlisten 0\nerrno 0\n");
	for (const char *error : {"1", "2", "11", "12", "13", "17", "106", "111"}) {
		Result result = lqrun_fake("", "raw listen:5", std::string("FAKE_ULP=") + error);
		EXPECT_NE(result.out.find(not_taken), std::string::npos) << result.out;
		EXPECT_NE(result.out.find("\"lqctl adopt :port\"\n"), std::string::npos)
			<< result.out;
		EXPECT_EQ(result.out.find("errno") != result.out.npos, error == std::string("111"))
			<< result.out;
	}
}

TEST(plain, each_socket_but_not_without_end)
{
	std::string calls;
	for (int i = 0; i < 100; i++)
		calls += "raw listen:1 listen:2 close ";
	EXPECT_EQ(occurrences(lqrun_fake("", calls, "FAKE_ULP=95").out, not_taken), 64);
}

TEST(plain, strict_fails)
{
	EXPECT_EQ(lqrun_fake("-s", "raw listen:5 errno listen:5", "FAKE_ULP=17").out,
		  "raw 3\nlqrun[pid]: probe: fd 3, 0.0.0.0:0, is plain TCP's: it has another "
		  "TCP_ULP; without that, \"lqctl adopt :PORT\": listen() fails, because of "
		  "--strict\nlisten -1\nerrno 95\nlisten -1\n");
}

TEST(plain, others_are_left_alone)
{
	for (const std::string &other :
	     {call(AF_UNIX, SOCK_STREAM, 0), call(AF_INET, SOCK_STREAM, 262)})
		EXPECT_EQ(lqrun_fake("-s", other + " listen:5", "FAKE_ULP=95").out.find("lqrun["),
			  std::string::npos);
}

TEST(plain, said_by_socket_already)
{
	Result result = lqrun_fake("", tcp4 + " listen:5", "FAKE_SOCKET=97");
	EXPECT_EQ(occurrences(result.out, "lqrun[pid]: "), 1) << result.out;
	/* And then it is listenq's all the same. */
	result = lqrun_fake("", tcp4 + " listen:5", "FAKE_SOCKET=13 FAKE_ULP=0");
	EXPECT_NE(result.out.find("taken over from TCP\nlisten(5)\n"), std::string::npos)
		<< result.out;
}

/* A listener of this process is fd 3, as systemd would have it, and the library of the fake kernel
 * is lqrun's, too. */
Result activated(const std::string &options, const std::string &settings)
{
	const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
	::listen(fd, 5);
	const std::string redirected = " 3<&" + std::to_string(fd);
	Result result = run("sh -c 'exec env LISTEN_PID=$$ LD_PRELOAD=" + fake + ' ' + settings +
			    " stdbuf -o0 " + lqrun_file + ' ' + options + ' ' + probe + " done" +
			    redirected + "'");
	close(fd);
	return result;
}

TEST(inherited, taken_over_before_it_starts)
{
	EXPECT_EQ(activated("", "LISTEN_FDS=1 FAKE_ULP=0").out, "argument done\n");
	Result result = activated("-v -s -b 3 -a dataready", "LISTEN_FDS=1 FAKE_ULP=0");
	for (const char *part : {"socket 3: 0.0.0.0:port taken over from TCP\n", "listen(3)\n",
				 "filter(dataready, 256)\n", "argument done\n"})
		EXPECT_EQ(occurrences(result.out, part), 1) << part << result.out;
}

TEST(inherited, said_where_it_cannot_be)
{
	const std::string line = "lqrun[pid]: " + probe + ": fd 3, 0.0.0.0:port, is plain TCP's: ";
	Result result = activated("", "LISTEN_FDS=1 FAKE_ULP=95");
	EXPECT_EQ(occurrences(result.out, line), 1) << result.out;
	EXPECT_EQ(occurrences(result.out, "argument done\n"), 1) << result.out;
	result = activated("-s", "LISTEN_FDS=1 FAKE_ULP=95");
	EXPECT_EQ(result.status, 1);
	EXPECT_EQ(occurrences(result.out, line), 1) << result.out;
	EXPECT_EQ(occurrences(result.out, "argument done\n"), 0) << result.out;
}

TEST(inherited, anothers_is_not_taken)
{
	Result result = activated("", "LISTEN_FDS=0 FAKE_ULP=0");
	EXPECT_EQ(occurrences(result.out, "it was open before, and nothing says for whom; "
					  "\"lqctl adopt :port\"\n"),
		  1)
		<< result.out;
}

/* --- what starts others --- */

TEST(launcher, warned_about_and_refused_if_strict)
{
	Result result = lqrun("env -i " + probe + " env:LD_PRELOAD");
	EXPECT_EQ(result.status, 0);
	EXPECT_EQ(result.out.find("lqrun: warning: env clears the environment"), 0u) << result.out;
	EXPECT_NE(result.out.find("\"lqctl adopt :PORT\"\nunset\n"), std::string::npos)
		<< result.out;
	expect_one_line(lqrun("--strict env -i " + probe), 1, "because of --strict");
	EXPECT_EQ(lqrun("env A=b " + probe + " env:A").out, "b\n");
}

/* Whoever executes them: here a shell. */
TEST(launcher, told_of_where_it_becomes_the_program)
{
	const std::string told = " without LD_PRELOAD in its environment: its sockets are plain "
				 "TCP; if it listens, \"lqctl adopt :PORT\"\n";
	Result result = lqrun("sh -c 'exec env -i " + probe + " env:LD_PRELOAD'");
	EXPECT_EQ(result.out, "lqrun[pid]: env executes " + probe + told + "unset\n");
	EXPECT_EQ(lqrun("sh -c 'unset LD_PRELOAD; exec " + probe + " done'").out,
		  "lqrun[pid]: sh executes " + probe + told + "argument done\n");
	/* It comes again behind. */
	EXPECT_EQ(lqrun("sh -c 'exec env -i " + lqrun_file + " " + probe + " done'").out,
		  "argument done\n");
	/* Nothing is lost, and children are not looked at. */
	EXPECT_EQ(lqrun("sh -c 'exec env A=b " + probe + " env:A'").out, "b\n");
	EXPECT_EQ(lqrun("sh -c '(unset LD_PRELOAD; " + probe + " done); :'").out,
		  "argument done\n");
}

} // namespace
