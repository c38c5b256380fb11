// SPDX-License-Identifier: GPL-2.0
/* Tables: widths and padding. */
#include "base/table.hh"

#include <algorithm>
#include <numeric>

namespace lqctl {

std::size_t cells_of(std::string_view text)
{
	return static_cast<std::size_t>(
		std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

void Table::add(std::vector<Cell> cells, std::string below)
{
	cells.resize(columns_.size());
	rows_.push_back({std::move(cells), std::move(below)});
}

/* The columns that fit. */
std::vector<std::size_t> Table::shown(const std::vector<std::size_t> &widths,
				      unsigned columns) const
{
	std::vector<std::size_t> shown(columns_.size());
	std::iota(shown.begin(), shown.end(), 0);
	for (;;) {
		std::size_t sum = 0, least = shown.size();
		for (std::size_t i = 0; i < shown.size(); i++) {
			const unsigned rank = columns_[shown[i]].rank;
			sum += widths[shown[i]] + (i > 0);
			if (rank != 0 &&
			    (least == shown.size() || rank < columns_[shown[least]].rank))
				least = i;
		}
		if (columns == 0 || sum <= columns || least == shown.size())
			return shown;
		shown.erase(shown.begin() + static_cast<std::ptrdiff_t>(least));
	}
}

std::vector<std::size_t> Table::widths(bool header) const
{
	std::vector<std::size_t> widths;
	for (std::size_t i = 0; i < columns_.size(); i++) {
		std::size_t widest = header ? cells_of(columns_[i].title) : 0;
		for (const Row &row : rows_)
			widest = std::max(widest, cells_of(row.cells[i].text));
		widths.push_back(widest);
	}
	return widths;
}

std::vector<Table::Line> Table::lines(bool header, unsigned columns) const
{
	const std::vector<std::size_t> wide = widths(header), chosen = shown(wide, columns);
	std::vector<Line> lines;
	const auto put = [&](Line &line, std::size_t i, const Cell &cell) {
		const std::string pad(wide[i] - cells_of(cell.text), ' ');
		if (i != chosen.front())
			line.push_back({" "});
		if (columns_[i].align == Align::right)
			line.push_back({pad});
		line.push_back(cell);
		if (columns_[i].align == Align::left && i != chosen.back())
			line.push_back({pad});
	};

	if (header) {
		Line &line = lines.emplace_back();
		for (const std::size_t i : chosen)
			put(line, i, {columns_[i].title, Tone::title});
	}
	for (const Row &row : rows_) {
		Line &line = lines.emplace_back();
		for (const std::size_t i : chosen)
			put(line, i, row.cells[i]);
	}
	return lines;
}

std::string Table::render(bool header, const Terminal &terminal) const
{
	std::string out;
	std::size_t n = 0;

	for (const Line &line : lines(header, terminal.columns)) {
		for (const Cell &piece : line)
			out += paint(piece.text, piece.tone, terminal.colour);
		while (out.ends_with(' '))
			out.pop_back();
		out += '\n';
		if (!header || n > 0)
			out += rows_[header ? n - 1 : n].below;
		n++;
	}
	return out;
}

} // namespace lqctl
