// SPDX-License-Identifier: GPL-2.0
/* ELF files: the headers of segments and sections, and notes. */
#include "elf.hh"

#include <elf.h>
#include <link.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <limits>
#include <vector>

namespace lqrun {

namespace {

/* Of a segment of notes; real ones have some hundred bytes. */
constexpr std::size_t most_notes = 1 << 16;
constexpr std::uint64_t most_sections = 1 << 16;
constexpr char go_section[] = ".go.buildinfo";
constexpr std::uint32_t go_build_id = 4; /* the type of Go's note */

class File final {
public:
	explicit File(const std::string &name) : in_(name, std::ios::binary) {}

	/* False: the file does not go so far. */
	bool read(std::uint64_t offset, void *to, std::size_t size)
	{
		if (offset > std::numeric_limits<std::int64_t>::max())
			return false;
		in_.clear();
		in_.seekg(static_cast<std::streamoff>(offset));
		in_.read(static_cast<char *>(to), static_cast<std::streamsize>(size));
		return in_.gcount() == static_cast<std::streamsize>(size);
	}
	template <typename T>
	bool read(std::uint64_t offset, T &to)
	{
		return read(offset, &to, sizeof(to));
	}

private:
	std::ifstream in_;
};

/* The header of the running lqrun, whose architecture is that of liblqrun.so. */
bool same_architecture(const ElfW(Ehdr) & elf)
{
	ElfW(Ehdr) own;
	if (!File("/proc/self/exe").read(0, own))
		return true;
	return elf.e_ident[EI_CLASS] == own.e_ident[EI_CLASS] &&
	       elf.e_ident[EI_DATA] == own.e_ident[EI_DATA] && elf.e_machine == own.e_machine;
}

std::vector<ElfW(Phdr)> segments_of(File &file, const ElfW(Ehdr) & elf)
{
	std::vector<ElfW(Phdr)> all;
	ElfW(Phdr) one;

	if (elf.e_phentsize < sizeof(one))
		return all;
	for (unsigned i = 0; i < elf.e_phnum; i++) {
		if (!file.read(elf.e_phoff + std::uint64_t{i} * elf.e_phentsize, one))
			break;
		all.push_back(one);
	}
	return all;
}

/* Whether one of these notes is Go's build id. Each is a header, a name and a description, and
 * these two are filled up to words. */
bool has_go_note(const std::vector<char> &notes)
{
	const auto words = [](std::uint64_t size) { return (size + 3) & ~std::uint64_t{3}; };
	ElfW(Nhdr) note;

	for (std::uint64_t at = 0; at + sizeof(note) <= notes.size();) {
		std::memcpy(&note, notes.data() + at, sizeof(note));
		at += sizeof(note);
		if (note.n_namesz > notes.size() - at)
			return false;
		if (note.n_type == go_build_id && note.n_namesz == sizeof("Go") &&
		    std::memcmp(notes.data() + at, "Go", sizeof("Go")) == 0)
			return true;
		at += words(note.n_namesz) + words(note.n_descsz);
	}
	return false;
}

/* What stripping leaves: the loader maps it. */
bool has_go_note(File &file, const ElfW(Phdr) & segment)
{
	if (segment.p_type != PT_NOTE)
		return false;
	std::vector<char> notes(std::min<std::uint64_t>(segment.p_filesz, most_notes));
	return file.read(segment.p_offset, notes.data(), notes.size()) && has_go_note(notes);
}

/* With -ldflags=-buildid= there is no note. */
bool has_go_section(File &file, const ElfW(Ehdr) & elf)
{
	ElfW(Shdr) first, names, section;
	char name[sizeof(go_section)];

	const auto read = [&](std::uint64_t number, ElfW(Shdr) & to) {
		return file.read(elf.e_shoff + number * elf.e_shentsize, to);
	};
	if (elf.e_shoff == 0 || elf.e_shentsize < sizeof(section) || !read(0, first))
		return false;
	/* Numbers that the header has no room for stand in the first section's. */
	const std::uint64_t count = elf.e_shnum ? elf.e_shnum : std::uint64_t{first.sh_size};
	if (!read(elf.e_shstrndx == SHN_XINDEX ? first.sh_link : elf.e_shstrndx, names))
		return false;
	for (std::uint64_t i = 1; i < std::min(count, most_sections); i++) {
		if (!read(i, section))
			return false;
		if (section.sh_name < names.sh_size &&
		    file.read(names.sh_offset + section.sh_name, name) &&
		    std::memcmp(name, go_section, sizeof(name)) == 0)
			return true;
	}
	return false;
}

} // namespace

Elf elf_of(const std::string &name)
{
	File file(name);
	ElfW(Ehdr) elf;
	if (!file.read(0, elf) || std::memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0)
		return Elf::none;
	if (!same_architecture(elf))
		return Elf::other_architecture;

	const auto segments = segments_of(file, elf);
	const bool noted = std::any_of(segments.begin(), segments.end(), [&](const auto &segment) {
		return has_go_note(file, segment);
	});
	if (noted || has_go_section(file, elf))
		return Elf::go;
	return std::any_of(segments.begin(), segments.end(),
			   [](const auto &segment) { return segment.p_type == PT_INTERP; })
		       ? Elf::linked_dynamically
		       : Elf::linked_statically;
}

} // namespace lqrun
