;;; A person in Emacs: opens two specs, reads what is wrong with them, renames a name in the second, formats it
;;; and saves it.  Said as JSON in the file $ANSWER.  -*- lexical-binding: t -*-
(package-initialize)
(require (quote eglot))
(require 'json)

(define-derived-mode sinter-mode prog-mode "Sinter")
(add-to-list 'auto-mode-alist '("\\.sinter\\'" . sinter-mode))
(add-to-list 'eglot-server-programs
             `(sinter-mode . (,(getenv "NODE") ,(getenv "SINTER") "lsp" "--stdio")))

(defun wait-for (what condition)
  (let ((began (float-time)))
    (while (not (funcall condition))
      (when (> (- (float-time) began) 60) (error "waited in vain for %s" what))
      (accept-process-output nil 0.01))))

(defun place (at line column)
  "Line and column of AT as people count them: characters, from 1."
  (save-excursion
    (goto-char at)
    `((,line . ,(line-number-at-pos)) (,column . ,(1+ (- at (line-beginning-position)))))))

(defun told (diagnostic)
  (let ((lsp (alist-get 'eglot-lsp-diag (flymake-diagnostic-data diagnostic))))
    `(,@(place (flymake-diagnostic-beg diagnostic) 'line 'column)
      ,@(place (flymake-diagnostic-end diagnostic) 'endLine 'endColumn)
      (severity . ,(plist-get lsp :severity))
      (code . ,(plist-get lsp :code))
      (message . ,(plist-get lsp :message)))))

(defun open (path)
  (find-file path)
  (unless (eglot-managed-p) (apply #'eglot--connect (eglot--guess-contact)))
  (flymake-start)
  (wait-for "diagnostics" #'flymake-diagnostics)
  (vconcat (mapcar #'told (flymake-diagnostics))))

(setq eglot-sync-connect 60 eglot-autoshutdown nil make-backup-files nil create-lockfiles nil)
(let ((answer
       (condition-case problem
           (let* ((broken (open (getenv "BROKEN"))) (untidy (open (getenv "UNTIDY"))))
             (goto-char (point-min))
             (search-forward (getenv "OLD_NAME"))
             (goto-char (match-beginning 0))
             (eglot-rename (getenv "NEW_NAME"))
             (eglot-format-buffer)
             (save-buffer)
             `((broken . ,broken) (untidy . ,untidy)))
         (error `((failed . ,(error-message-string problem)))))))
  (with-temp-file (getenv "ANSWER") (insert (json-encode answer))))
(when (eglot-current-server) (eglot-shutdown (eglot-current-server)))
