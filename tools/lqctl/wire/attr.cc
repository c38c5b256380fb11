// SPDX-License-Identifier: GPL-2.0
/* Attributes: strings and errors. */
#include "wire/attr.hh"

#include <fmt/core.h>

#include <algorithm>

#include "base/error.hh"

namespace lqctl {

std::string Attr::string() const
{
	auto end = std::find(payload_.begin(), payload_.end(), std::byte{0});
	return {reinterpret_cast<const char *>(payload_.data()),
		static_cast<std::size_t>(end - payload_.begin())};
}

void Attr::expect_size(std::size_t size) const
{
	if (payload_.size() != size)
		throw Error(
			fmt::format("the kernel sent netlink attribute {} with {} bytes, not {}: "
				    "use the lqctl that came with the module",
				    type_, payload_.size(), size));
}

void throw_malformed_attributes()
{
	throw Error("the kernel sent a netlink message whose attributes are cut short: "
		    "use the lqctl that came with the module");
}

} // namespace lqctl
