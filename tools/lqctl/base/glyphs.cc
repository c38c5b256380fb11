// SPDX-License-Identifier: GPL-2.0
/* Glyphs: what the locale can show. */
#include "base/glyphs.hh"

#include <langinfo.h>

namespace lqctl {

const Glyphs &locale_glyphs()
{
	return nl_langinfo(CODESET) == std::string_view("UTF-8") ? utf8_glyphs : ascii_glyphs;
}

} // namespace lqctl
