-- A person in Neovim: opens two specs, reads what is wrong with them, renames a name in the second, formats it
-- and saves it. Said as JSON in the file $ANSWER.
local function wait_for(what, condition)
  if not vim.wait(60000, condition, 10) then error("waited in vain for " .. what) end
end

local client = vim.lsp.start_client({
  name = "sinter",
  cmd = { vim.env.NODE, vim.env.SINTER, "lsp", "--stdio" },
  root_dir = vim.fn.getcwd(),
})

-- columns as people count them: characters, from 1
local function column(line, byte)
  local text = vim.api.nvim_buf_get_lines(0, line, line + 1, true)[1]
  return vim.fn.strchars(text:sub(1, byte)) + 1
end

local function open(path)
  vim.cmd("edit " .. vim.fn.fnameescape(path))
  vim.lsp.buf_attach_client(0, client)
  wait_for("diagnostics", function() return #vim.diagnostic.get(0) > 0 end)
  return vim.tbl_map(function(d)
    return {
      line = d.lnum + 1,
      column = column(d.lnum, d.col),
      endLine = d.end_lnum + 1,
      endColumn = column(d.end_lnum, d.end_col),
      severity = d.severity,
      code = d.user_data.lsp.code,
      message = d.message,
    }
  end, vim.diagnostic.get(0))
end

local ok, answer = pcall(function()
  local said = { broken = open(vim.env.BROKEN), untidy = open(vim.env.UNTIDY) }
  vim.fn.search(vim.env.OLD_NAME)
  local before = vim.api.nvim_buf_get_changedtick(0)
  vim.lsp.buf.rename(vim.env.NEW_NAME)
  wait_for("the new name", function() return vim.api.nvim_buf_get_changedtick(0) > before end)
  vim.lsp.buf.formatting_sync(nil, 60000)
  vim.cmd("write")
  return said
end)
vim.fn.writefile({ vim.fn.json_encode(ok and answer or { failed = tostring(answer) }) }, vim.env.ANSWER)
vim.lsp.stop_client(client)
wait_for("the server's end", function() return vim.lsp.client_is_stopped(client) end)
vim.cmd("qall!")
