// SPDX-License-Identifier: GPL-2.0
/* Sysctls: names, reading, writing, and what a refusal means. */
#include "kernel/sysctl.hh"

#include <fcntl.h>
#include <fmt/core.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <sstream>
#include <system_error>

#include "base/error.hh"
#include "model/kernel_setting.hh"

namespace lqctl {

namespace {

class File final {
public:
	File(const std::filesystem::path &path, int flags)
	    : fd_(open(path.c_str(), flags | O_CLOEXEC))
	{
	}
	~File()
	{
		if (fd_ >= 0)
			close(fd_);
	}
	File(const File &) = delete;
	File &operator=(const File &) = delete;
	[[nodiscard]] int fd() const { return fd_; }

private:
	int fd_;
};

/* What a name may be set to: module/shim/sysctl.c. */
std::string expected(std::string_view name)
{
	if (const KernelSetting *setting = find_kernel_setting(name))
		return std::string(setting->takes);
	if (name == "policy")
		return "one of " + std::string(kPolicies);
	if (name == "max_syn_backlog")
		return "a number from 1 to 1048576, or -1, to follow net.ipv4.tcp_max_syn_backlog";
	if (name == "abort_on_overflow")
		return "0 or 1, or -1, to follow net.ipv4.tcp_abort_on_overflow";
	if (name == "syncookie_pause" || name == "adopt" || name == "migrate" ||
	    name == "reset_acked")
		return "0 or 1";
	if (name == "adopt_cgroups")
		return "up to 16 numbers of cgroups, or none";
	if (name == "syncookies")
		return "0, 1 or 2, or -1, to follow net.ipv4.tcp_syncookies";
	if (name == "shards")
		return "a number from 0 to 64";
	if (name == "soacceptqueue")
		return "a number from 1 to 65535";
	if (name == "synack_retries")
		return "a number from 0 to 255, or -1, to follow net.ipv4.tcp_synack_retries";
	if (name == "filter_timeout_ms")
		return "milliseconds from 0 to 3600000";
	if (name == "synack_timeout_ms")
		return "milliseconds from 10 to 120000";
	if (name == "accept_max_wait_ms" || name == "syn_admission_ms" || name == "stalled_ms")
		return "milliseconds from 0 to 3600000";
	if (name == "accept_dead")
		return "skip, keep or skip-fin";
	if (name == "accept_order")
		return "fifo, lifo or adaptive";
	if (name == "grace_ms")
		return "milliseconds from 0 to 600000";
	if (name == "steal_us")
		return "microseconds from 0 to 60000000";
	if (name == "grace_total")
		return "a number from 0 to 1048576";
	if (name == "codel_target_ms")
		return "milliseconds from 0 to 60000";
	if (name == "codel_interval_ms")
		return "milliseconds from 1 to 60000";
	return "another value";
}

/* What its file is called below /proc/sys, and what a message calls it. */
std::string full_name(const std::string &name)
{
	return find_kernel_setting(name) ? name : "net.listenq." + name;
}

} // namespace

Error write_error(const std::string &name, const std::string &value, int code)
{
	switch (code) {
	case EINVAL:
	case ERANGE:
		return Error(fmt::format("{} does not take \"{}\": give {}", full_name(name), value,
					 expected(name)));
	case EOPNOTSUPP:
		return Error(
			fmt::format("net.listenq.{} cannot be set: this kernel lets no module look "
				    "at listen(), for which it takes kprobes",
				    name));
	case EACCES:
	case EPERM:
		if (name == "following")
			return Error("net.listenq.following cannot be set: it lists the settings "
				     "that follow TCP's; set one of them to -1, and it does");
		if (name == "adopt" || name == "adopt_cgroups")
			return Error(
				fmt::format("net.listenq.{} cannot be set: needs CAP_NET_ADMIN in "
					    "the first user namespace, for it is a cost of all "
					    "the machine's",
					    name));
		return Error(fmt::format("{} cannot be set: needs CAP_NET_ADMIN in the "
					 "network namespace's user namespace",
					 full_name(name)));
	case EROFS:
		return Error(fmt::format("{} cannot be set: /proc/sys is mounted "
					 "read-only here, as containers do: set it from outside, "
					 "with nsenter --net",
					 full_name(name)));
	default:
		return Error(fmt::format("{} cannot be set: {}", full_name(name),
					 std::generic_category().message(code)));
	}
}

SysctlDir::SysctlDir(std::filesystem::path root) : root_(std::move(root))
{
	std::error_code error;
	for (std::filesystem::directory_iterator it(root_, error), end; !error && it != end;
	     it.increment(error))
		if (it->is_regular_file(error))
			names_.push_back(it->path().filename());
	if (names_.empty())
		throw module_not_loaded();
	std::sort(names_.begin(), names_.end());
}

std::string SysctlDir::resolve(std::string_view given) const
{
	std::string_view name = given;
	std::string dotted(given);
	std::replace(dotted.begin(), dotted.end(), '/', '.');
	if (find_kernel_setting(dotted))
		return dotted;
	for (std::string_view prefix : {"net.listenq.", "net/listenq/"})
		if (name.starts_with(prefix))
			name.remove_prefix(prefix.size());
	if (std::find(names_.begin(), names_.end(), name) == names_.end()) {
		std::vector<std::string_view> kernels;
		for (const KernelSetting &setting : kernel_settings)
			kernels.push_back(setting.name);
		throw Error(fmt::format("there is no setting \"{}\": the module has {}; and of "
					"the kernel's {}",
					given, fmt::join(names_, ", "), fmt::join(kernels, ", ")));
	}
	return std::string(name);
}

std::filesystem::path SysctlDir::file_of(const std::string &name) const
{
	if (!find_kernel_setting(name))
		return root_ / name;
	/* net.ipv4.tcp_syncookies lies beside our directory, in ipv4/. */
	std::string below = name.substr(std::string_view("net.").size());
	std::replace(below.begin(), below.end(), '.', '/');
	return root_.parent_path() / below;
}

std::string SysctlDir::read(const std::string &name) const
{
	File file(file_of(name), O_RDONLY);
	char text[4096]; /* a sysctl is read in one go */
	ssize_t size = file.fd() < 0 ? -1 : ::read(file.fd(), text, sizeof(text));
	if (size < 0)
		throw Error(fmt::format("{} cannot be read: {}", full_name(name),
					std::generic_category().message(errno)));
	std::string value(text, static_cast<std::size_t>(size));
	while (value.ends_with('\n'))
		value.pop_back();
	return value;
}

std::vector<std::pair<std::string, std::string>>
SysctlDir::read(const std::vector<std::string> &names) const
{
	std::vector<std::pair<std::string, std::string>> values;
	for (const std::string &name : names)
		values.emplace_back(name, read(name));
	return values;
}

std::vector<std::string> SysctlDir::following() const
{
	std::vector<std::string> all;
	if (std::find(names_.begin(), names_.end(), "following") == names_.end())
		return all;
	std::istringstream words(read("following"));
	for (std::string name; words >> name;)
		all.push_back(name);
	return all;
}

void SysctlDir::write(const std::string &name, const std::string &value) const
{
	File file(file_of(name), O_WRONLY | O_TRUNC);
	if (file.fd() < 0)
		throw write_error(name, value, errno);
	std::string line = value + '\n';
	ssize_t size = ::write(file.fd(), line.data(), line.size());
	if (size < 0)
		throw write_error(name, value, errno);
	if (static_cast<std::size_t>(size) != line.size())
		throw write_error(name, value, EINVAL);
}

std::uint32_t read_somaxconn()
{
	std::uint32_t value = 0;
	std::ifstream("/proc/sys/net/core/somaxconn") >> value;
	return value;
}

std::pair<std::string, std::string> parse_assignment(std::string_view text)
{
	auto equals = text.find('=');
	if (equals == text.npos)
		throw Error(fmt::format("\"{}\" sets nothing: write it as NAME=VALUE, "
					"such as max_syn_backlog=1024",
					text));
	std::string name(text.substr(0, equals)), value(text.substr(equals + 1));
	if (name.empty())
		throw Error(fmt::format("\"{}\" has no name before the =: write it as NAME=VALUE",
					text));
	if (value.empty() || value.find('\n') != value.npos)
		throw Error(fmt::format("{} has no value: write it as NAME=VALUE", name));
	return {name, value};
}

} // namespace lqctl
