// SPDX-License-Identifier: GPL-2.0
/* UTF-8, as RFC 3629 has it. */
#include "base/utf8.hh"

#include <cstddef>

namespace lqctl {

namespace {

/* How many bytes the character at the start of @text has; 0: it is none. */
std::size_t character(std::string_view text)
{
	const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
	const unsigned char first = byte(0);
	const std::size_t size = first < 0x80	? 1
				 : first < 0xc2 ? 0
				 : first < 0xe0 ? 2
				 : first < 0xf0 ? 3
				 : first < 0xf5 ? 4
						: 0;

	if (size > text.size())
		return 0;
	for (std::size_t i = 1; i < size; i++) {
		if ((byte(i) & 0xc0) != 0x80)
			return 0;
	}
	/* Longer than need be, a surrogate, beyond U+10FFFF. */
	if ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) >= 0xa0) ||
	    (first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) >= 0x90))
		return 0;
	return size;
}

} // namespace

std::string valid_utf8(std::string_view text)
{
	std::string out;

	while (!text.empty()) {
		const std::size_t size = character(text);
		if (size)
			out += text.substr(0, size);
		else
			out += "\xef\xbf\xbd";
		text.remove_prefix(size ? size : 1);
	}
	return out;
}

} // namespace lqctl
