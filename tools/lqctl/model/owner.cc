// SPDX-License-Identifier: GPL-2.0
/* Owners: the names that systemd and Kubernetes give to cgroups. */
#include "model/owner.hh"

#include <algorithm>
#include <string_view>

namespace lqctl {

namespace {

bool is_unit(std::string_view name)
{
	return name.ends_with(".service") || name.ends_with(".socket") || name.ends_with(".scope");
}

/*
 * "pod1b2c...", "kubepods-burstable-pod1b2c....slice": by the kubelet's own driver, and by
 * systemd's, whose names have no "-" but between parents and children.
 */
std::string pod_of(std::string_view name)
{
	constexpr std::string_view slice = ".slice", pod = "pod";

	if (name.ends_with(slice)) {
		if (!name.starts_with("kubepods"))
			return "";
		name.remove_suffix(slice.size());
		const auto last = name.rfind('-');
		name.remove_prefix(last == name.npos ? name.size() : last + 1);
	}
	if (!name.starts_with(pod) || name.size() == pod.size())
		return "";
	std::string uid(name.substr(pod.size()));
	std::replace(uid.begin(), uid.end(), '_', '-');
	return uid.find_first_not_of("0123456789abcdef-") == uid.npos ? uid : "";
}

} // namespace

Owner owner_of_cgroup(const std::string &path)
{
	std::string_view rest = path;
	bool in_kubepods = false;
	Owner owner;

	while (rest.starts_with("/.."))
		rest.remove_prefix(3);
	owner.cgroup = rest.empty() && !path.empty() ? "/" : rest;
	while (!rest.empty()) {
		rest.remove_prefix(rest.front() == '/' ? 1 : 0);
		const std::string_view name = rest.substr(0, rest.find('/'));
		rest.remove_prefix(name.size());
		/* The innermost: a manager of units may be one itself. */
		if (is_unit(name))
			owner.unit = name;
		in_kubepods = in_kubepods || name.starts_with("kubepods");
		if (in_kubepods && owner.pod.empty())
			owner.pod = pod_of(name);
	}
	return owner;
}

Owner in_common(const Owner &a, const Owner &b)
{
	const auto same = [](const std::string &one, const std::string &other) {
		return one == other ? one : std::string();
	};

	return {same(a.program, b.program), same(a.cgroup, b.cgroup), same(a.unit, b.unit),
		same(a.pod, b.pod)};
}

} // namespace lqctl
